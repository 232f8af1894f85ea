/** A stage bound to memory: weights in an arena, a ring of values towards each neighbour, one binding for each micro-batch. */

import { internal } from '../../base/error.ts';
import type { Graph } from '../../graph/model.ts';
import { elements, type Tensor, tensor, zeros } from '../../graph/tensor.ts';
import { infer } from '../../ops/infer.ts';
import { STEP } from '../../ops/random-uniform.ts';
import type { Binding, Lab } from '../../runtime/index.ts';
import type { Arena } from '../../train/index.ts';
import { loadInTurn } from '../../train/program.ts';
import type { Stage } from './cut.ts';
import type { Link } from './link.ts';
import type { Schedule } from './schedule.ts';
import type { StageGraphs } from './stage-graph.ts';

export interface BoundStage extends Disposable {
  /** All micro-batches of a step, forward and backward, in turn with the neighbours. Slopes add up in `g`. */
  run(): Promise<void>;
  /** The last stage's loss of the step. */
  loss(): number;
}

export interface StageMemory {
  readonly index: number;
  readonly count: number;
  readonly micro: number;
  readonly schedule: Schedule;
  readonly arena: Arena;
  /** Dimensions of every weight. */
  readonly dims: (weight: string) => readonly number[];
  /** Frozen weights and running statistics. */
  readonly held: ReadonlyMap<string, Tensor>;
  /** Weight → output that replaces it after each run. */
  readonly state: ReadonlyMap<string, string>;
  /** A batch's column as one micro-batch sees it. */
  readonly column: (name: string, micro: number) => Tensor | undefined;
  /** The number that a micro-batch's random masks depend on. */
  readonly step: (micro: number) => Tensor;
  /** Towards the stage before, and the one behind. */
  readonly up?: Link;
  readonly down?: Link;
}

/** A run, and the running statistics that it moves. */
interface Turn {
  readonly binding: Binding;
  flow(): void;
}

/** Loads a stage's graphs and ties them to memory. */
export async function bindStage(stage: Stage, graphs: StageGraphs, memory: StageMemory, lab: Lab): Promise<BoundStage> {
  const { index, count, micro, schedule, arena, dims, held, state, up, down } = memory;
  const { forward, backward, kept, trained, sums, slopeIn, slopeOut, loss: lossName } = graphs;
  const facts = infer(stage.graph);
  const lossTensor = zeros('float32', []);
  const flowing = new Map(
    [...state].flatMap(([weight, output]) => {
      const now = held.get(weight);
      return facts.has(output) && now ? [[output, { now, next: zeros('float32', now.dims) }]] : [];
    }),
  );
  const slots = schedule.inFlight(index, count, micro);
  const stores = Array.from(
    { length: kept.size > 0 ? slots : 0 },
    () => new Map([...kept].map(([name, { dtype, dims: shape }]) => [name, zeros(dtype, shape)])),
  );
  const sumOf = new Map([...sums].flatMap(([weight, [from, to]]) => [from, to].map((name) => [name, weight] as const)));
  const isTrained = new Set(trained);

  const inRing = (name: string, ring: readonly Float32Array[], m: number): Tensor =>
    tensor('float32', facts.get(name)!.dims as readonly number[], ring[m % ring.length]!);
  /** Where a value of micro-batch `m` lies. */
  const place = (name: string, m: number): Tensor => {
    const sum = sumOf.get(name);
    if (sum !== undefined) return tensor('float32', dims(sum), arena.view('g', sum));
    if (isTrained.has(name)) return tensor('float32', dims(name), arena.view('w', name));
    if (name === STEP) return memory.step(m);
    if (name === lossName) return lossTensor;
    if (up && name === stage.takes) return inRing(name, up.values, m);
    if (down && name === stage.gives) return inRing(name, down.values, m);
    if (down && name === slopeIn) return inRing(stage.gives, down.slopes, m);
    if (up && name === slopeOut) return inRing(stage.takes!, up.slopes, m);
    const found = flowing.get(name)?.next ?? stores[m % slots]?.get(name) ?? held.get(name) ?? memory.column(name, m);
    if (!found) throw internal(`stage ${index} reads "${name}", which nobody gives`);
    return found;
  };

  const load = async (graph: Graph) => {
    const session = await loadInTurn(graph, lab);
    const moved = [...flowing].filter(([output]) => graph.outputs.some(({ name }) => name === output));
    const flow = (): void => {
      for (const [, { now, next }] of moved) now.bytes.set(next.bytes);
    };
    const placed = (names: readonly { readonly name: string }[], m: number): Record<string, Tensor> =>
      Object.fromEntries(names.map(({ name }) => [name, place(name, m)]));
    const turns = Array.from({ length: micro }, (_, m): Turn => {
      return { binding: session.bind(placed(session.inputs, m), placed(graph.outputs, m)), flow };
    });
    return { session, turns };
  };
  const there = forward && (await load(forward));
  const back = backward && (await load(backward));
  const order = schedule.order(index, count, micro).filter(({ kind }) => kind === 'forward' || backward);
  let loss = 0;

  const work = async ({ binding, flow }: Turn): Promise<void> => {
    await binding.run();
    flow();
  };
  return {
    async run() {
      loss = 0;
      const isIn = new Set<number>();
      for (const { kind, micro: m } of order) {
        if (up && !isIn.has(m)) await up.take('values', m);
        isIn.add(m);
        if (kind === 'forward') {
          await down!.free('values', m);
          await work(there!.turns[m]!);
          down!.give('values', m);
          continue;
        }
        if (slopeIn !== undefined) await down!.take('slopes', m);
        if (slopeOut !== undefined) await up!.free('slopes', m);
        await work(back!.turns[m]!);
        loss += (elements(lossTensor) as Float32Array)[0]!;
        if (slopeOut !== undefined) up!.give('slopes', m);
      }
    },
    loss: () => loss,
    [Symbol.dispose]: () => {
      for (const loaded of [there, back]) {
        for (const { binding } of loaded?.turns ?? []) binding[Symbol.dispose]();
        loaded?.session[Symbol.dispose]();
      }
    },
  };
}
