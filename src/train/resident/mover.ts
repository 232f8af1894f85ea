/** Weights, slopes and the optimiser's state stay where the engine works: a run reads them there and writes their next values. */

import { elements, type Tensor, tensor, zeros } from '../../graph/tensor.ts';
import { STEP } from '../../ops/random-uniform.ts';
import type { Binding, Lab, Resident, Values } from '../../runtime/index.ts';
import { type Mover, type MoverOptions, type MoverRun, SUM, turns } from '../mover.ts';
import { type ParameterGroup, runsOf } from '../optim/execute.ts';
import { builder, type Expression } from '../optim/expression.ts';
import type { GraphParameter } from '../optim/graph.ts';
import type { Part } from '../optim/move.ts';
import type { RunningOptimizer } from '../optim/running.ts';
import { feedsIn, loadGraph, stepMemory } from '../program.ts';
import { openStore, type StoreSlot } from './store.ts';
import { HELD, type TrainingGraph, trainingGraph } from './training-graph.ts';

export interface ResidentOptions extends MoverOptions {
  readonly groups: readonly ParameterGroup[];
}

/** Frozen weights: read, never written. */
const FROZEN = 'frozen';
/** 0 at the first run of an update, then 1. */
const KEEP = 'keep';

/** What a run does besides working out slopes. */
interface Kind {
  readonly key: string;
  readonly parts: readonly Part[];
  readonly numbers: ReadonlyMap<string, number>;
  /** The running statistics flow. */
  readonly flows: boolean;
  /** Called when the run's results have been taken over. */
  readonly made: () => void;
}

interface Opened extends TrainingGraph {
  readonly session: Awaited<ReturnType<typeof loadGraph>>;
  readonly fed: Tensor;
  readonly slots: ReadonlySet<string>;
  readonly bindings: Map<string, Binding>;
}

/**
 * Opens a mover whose every run is one graph: forward, loss, slopes and move.
 *
 * Memory   on the device, each array that changes twice; a further session for each kind of move (every k-th step of Lookahead, SAM's two).
 * Throws   optim/device for an optimiser that no graph can say.
 */
export async function openResident(
  { step, arena, accumulate, start, groups }: ResidentOptions,
  lab: Lab,
): Promise<{ mover: Mover; running: RunningOptimizer }> {
  let isStale = false;
  const running = start(() => {
    isStale = true;
  });
  const { held, lossTensor, stepTensor, columns } = stepMemory(step);
  const parameters = runsOf(arena, groups).apart.map(
    (run): GraphParameter => ({
      run: { ...run, parameter: run.parameter! },
      dims: step.form.weights.get(run.parameter!)!.dims,
    }),
  );
  const slots = slotsOf({ step, arena, held, running, parameters, accumulate });
  const store = await openStore(slots, lab);
  const sessions = new Map<string, Opened>();
  const turn = turns();
  const gather = gathering(accumulate);

  const kindOf = ({ micro, isLast, lr }: MoverRun, kind: 'step' | 'probe'): Kind | undefined => {
    const keep = new Map([[KEEP, micro === 0 ? 0 : 1]]);
    if (!isLast) return { key: 'gather', parts: [gather.add], numbers: keep, flows: true, made: () => {} };
    const move = running.move(kind, lr === undefined ? {} : { lr });
    if (!move) return undefined;
    const parts = accumulate > 1 ? [gather.mean, ...move.parts] : move.parts;
    return { key: move.key, parts, numbers: move.numbers, flows: kind === 'step', made: move.made };
  };
  const load = async ({ parts, flows }: Kind): Promise<Opened> => {
    const dimsOf = (slot: string, parameter: string): readonly number[] =>
      slots.get(slot)!.tensors.get(parameter)!.dims;
    const made = trainingGraph(step, parts, parameters, { flows, dimsOf });
    const session = await loadGraph(made.graph, lab);
    return {
      ...made,
      session,
      fed: zeros('float32', [made.numbers.input?.count ?? 0]),
      slots: new Set([...made.writes.values()].map(({ slot }) => slot)),
      bindings: new Map(),
    };
  };
  const bind = ({ session, reads, writes, numbers, fed }: Opened, which: 0 | 1): Binding => {
    const inputOf = (name: string): Tensor | Resident => {
      const place = reads.get(name);
      if (place) return store.now(place.slot, place.parameter);
      if (name === numbers.input?.name) return fed;
      if (name === STEP) return stepTensor;
      const slot = ['w', HELD, FROZEN].find((each) => store.has(each, name));
      return slot ? store.now(slot, name) : columns[which][name]!;
    };
    const feeds: Values = Object.fromEntries(session.inputs.map(({ name }) => [name, inputOf(name)]));
    const news = [...writes].map(([name, { slot, parameter }]) => [name, store.next(slot, parameter)] as const);
    return session.bind(feeds, { [step.lossName]: lossTensor, ...Object.fromEntries(news) });
  };
  let last: { kind: Kind; loaded: Opened } | undefined;
  const carryOut = async (kind: Kind, at: MoverRun, meanwhile?: () => void): Promise<void> => {
    const loaded = sessions.get(kind.key) ?? (await load(kind));
    sessions.set(kind.key, loaded);
    const key = `${at.which} ${store.sides()}`;
    const binding = loaded.bindings.get(key) ?? bind(loaded, at.which);
    loaded.bindings.set(key, binding);
    (elements(loaded.fed) as Float32Array).set(loaded.numbers.at(kind.numbers));
    (elements(stepTensor) as Uint32Array)[0] = at.number;
    await turn(binding, meanwhile);
    last = { kind, loaded };
  };
  const takeOver = (): void => {
    store.flip(last!.loaded.slots);
    last!.kind.made();
  };

  const mover: Mover = {
    feeds: [feedsIn(columns[0]), feedsIn(columns[1])],
    held,
    async begin() {
      if (isStale) await store.load();
      isStale = false;
    },
    async run(at, meanwhile) {
      await carryOut(kindOf(at, 'probe') ?? kindOf(at, 'step')!, at, meanwhile);
      return (elements(lossTensor) as Float32Array)[0]!;
    },
    async move(at) {
      takeOver();
      if (last!.kind.flows) return;
      await carryOut(kindOf(at, 'step')!, at);
      takeOver();
    },
    rest: (all) => store.save((slot) => all || slot === 'w' || slot === HELD),
    [Symbol.dispose]() {
      store[Symbol.dispose]();
      for (const { session } of sessions.values()) session[Symbol.dispose]();
    },
  };
  return { mover, running };
}

/** The parts that add gradients up: to the sum, and from it to their mean in `g`. */
function gathering(runs: number): { add: Part; mean: Part } {
  const e = builder();
  const share = e.mul(1 / runs, e.slot('g'));
  const part = (slot: string, value: Expression): Part => ({
    plan: { passes: [{ outputs: new Map([[slot, value]]), sums: [] }], uniforms: new Map() },
  });
  return {
    add: part(SUM, e.add(e.mul(e.scalar(KEEP), e.slot(SUM)), share)),
    mean: part('g', e.add(e.slot(SUM), share)),
  };
}

/** All arrays of a run by slot; what is frozen or belongs to no move lies there once. */
function slotsOf({ step, arena, held, running, parameters, accumulate }: Arrays): Map<string, StoreSlot> {
  const chosen = parameters.map(({ run, dims }) => ({ name: run.parameter, dims }));
  const isChosen = new Set(chosen.map(({ name }) => name));
  const always = (): boolean => true;
  const inArena = (slot: string, of: readonly { name: string; dims: readonly number[] }[]): Map<string, Tensor> =>
    new Map(of.map(({ name, dims }) => [name, tensor('float32', dims, arena.view(slot, name))]));
  const all = step.parameters.map(({ name }) => ({ name, dims: step.form.weights.get(name)!.dims }));
  const slots = new Map<string, StoreSlot>([
    ['w', { tensors: inArena('w', all), changes: (name) => isChosen.has(name) }],
    [HELD, { tensors: new Map([...held].filter(([name]) => step.form.state.has(name))), changes: always }],
    [FROZEN, { tensors: new Map([...held].filter(([name]) => !step.form.state.has(name))), changes: () => false }],
  ]);
  for (const [slot, own] of Object.entries(running.state().tensors)) {
    const tensors = arena.slots.includes(slot)
      ? inArena(slot, chosen)
      : new Map(Object.entries(own).map(([name, values]) => [name, tensor('float32', [values.length], values)]));
    slots.set(slot, { tensors, changes: always });
  }
  if (accumulate > 1) slots.set(SUM, { tensors: inArena(SUM, chosen), changes: always });
  return slots;
}

interface Arrays extends Pick<MoverOptions, 'step' | 'arena' | 'accumulate'> {
  readonly held: ReadonlyMap<string, Tensor>;
  readonly running: RunningOptimizer;
  readonly parameters: readonly GraphParameter[];
}
