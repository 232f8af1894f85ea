/** A stage bound to memory: weights in an arena, a ring of values towards each neighbour, one binding for each micro-batch. */

import { internal } from '../../base/error.ts';
import type { Graph } from '../../graph/model.ts';
import { elements, type Tensor, tensor, zeros } from '../../graph/tensor.ts';
import { infer } from '../../ops/infer.ts';
import { STEP } from '../../ops/random-uniform.ts';
import type { Binding, Lab, Session } from '../../runtime/index.ts';
import type { Arena } from '../../train/index.ts';
import { engineBytes } from '../../train/program.ts';
import type { Stage } from './cut.ts';
import { type Link, oneForwardOneBackward } from './schedule.ts';
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

/** Loads a stage's graphs and ties them to memory. */
export async function bindStage(stage: Stage, graphs: StageGraphs, memory: StageMemory, lab: Lab): Promise<BoundStage> {
  const { index, count, micro, arena, dims, held, state, up, down } = memory;
  const load = (graph: Graph): Promise<Session> =>
    lab.engine.load(engineBytes(graph), { optimize: 'none', ...(lab.threads && { threads: lab.threads }) });
  const forward = graphs.forward && (await load(graphs.forward));
  const backward = graphs.backward && (await load(graphs.backward));
  const facts = infer(stage.graph);
  const shapeOf = (name: string): readonly number[] => facts.get(name)!.dims as readonly number[];
  const flowing = [...state].flatMap(([weight, output]) =>
    facts.has(output) ? [{ output, now: held.get(weight)!, next: zeros('float32', held.get(weight)!.dims) }] : [],
  );
  const lossTensor = zeros('float32', []);
  const isTrained = new Set(graphs.trained);

  const feedsOf = (session: Session, m: number): Record<string, Tensor> => {
    const feeds: Record<string, Tensor> = {};
    const added = new Map([...graphs.sums].map(([weight, [from]]) => [from, weight]));
    for (const { name } of session.inputs) {
      const sum = added.get(name);
      if (sum !== undefined) feeds[name] = tensor('float32', dims(sum), arena.view('g', sum));
      else if (isTrained.has(name)) feeds[name] = tensor('float32', dims(name), arena.view('w', name));
      else if (name === STEP) feeds[name] = memory.step(m);
      else if (name === stage.takes) feeds[name] = tensor('float32', shapeOf(name), up!.values[m % up!.ring]!);
      else if (name === graphs.slopeIn)
        feeds[name] = tensor('float32', shapeOf(stage.gives), down!.slopes[m % down!.ring]!);
      else {
        const found = held.get(name) ?? memory.column(name, m);
        if (!found) throw internal(`stage ${index} reads "${name}", which nobody gives`);
        feeds[name] = found;
      }
    }
    return feeds;
  };
  const bindings = Array.from({ length: micro }, (_, m) => {
    const outputs: Record<string, Tensor> = {};
    for (const [weight, [, to]] of graphs.sums) outputs[to] = tensor('float32', dims(weight), arena.view('g', weight));
    if (graphs.slopeOut !== undefined)
      outputs[graphs.slopeOut] = tensor('float32', shapeOf(stage.takes!), up!.slopes[m % up!.ring]!);
    if (graphs.loss !== undefined) outputs[graphs.loss] = lossTensor;
    for (const { output, next } of flowing) outputs[output] = next;
    const given = (): Tensor => tensor('float32', shapeOf(stage.gives), down!.values[m % down!.ring]!);
    return {
      forward: forward?.bind(feedsOf(forward, m), { [stage.gives]: given() }),
      backward: backward?.bind(feedsOf(backward, m), outputs),
    };
  });
  const order = oneForwardOneBackward(index, count, micro).filter(({ kind }) => kind === 'forward' || backward);
  let loss = 0;

  return {
    async run() {
      loss = 0;
      const isIn = new Set<number>();
      const values = async (m: number): Promise<void> => {
        if (up && !isIn.has(m)) await up.take('values', m);
        isIn.add(m);
      };
      for (const { kind, micro: m } of order) {
        await values(m);
        if (kind === 'forward') {
          await down!.free('values', m);
          await (bindings[m]!.forward as Binding).run();
          down!.give('values', m);
          continue;
        }
        if (graphs.slopeIn !== undefined) await down!.take('slopes', m);
        if (graphs.slopeOut !== undefined) await up!.free('slopes', m);
        await (bindings[m]!.backward as Binding).run();
        loss += (elements(lossTensor) as Float32Array)[0]!;
        for (const { now, next } of flowing) now.bytes.set(next.bytes);
        if (graphs.slopeOut !== undefined) up!.give('slopes', m);
      }
    },
    loss: () => loss,
    [Symbol.dispose]: () => {
      for (const { forward: there, backward: back } of bindings) {
        there?.[Symbol.dispose]();
        back?.[Symbol.dispose]();
      }
      forward?.[Symbol.dispose]();
      backward?.[Symbol.dispose]();
    },
  };
}
