/** Times a graph stretch by stretch, on one micro-batch: nothing larger than the heaviest stretch is loaded at a time. */

import { PareError } from '../../base/error.ts';
import { elements, type Tensor, tensor, zeros } from '../../graph/tensor.ts';
import { STEP } from '../../ops/random-uniform.ts';
import { type Lab, stopIfAborted } from '../../runtime/index.ts';
import { quantile } from '../../runtime/measure.ts';
import { engineBytes, engineForm, withStatedOutputs } from '../../train/program.ts';
import type { ToCut } from './balance.ts';
import { type Stage, stretchesOf } from './cut.ts';

/** Runs of each stretch; the first ones are slower, and do not count. */
const RUNS = 7;
const WARM_UP = 2;
/** Moving between layouts is the cut's doing, not the layers'. */
const isReorder = (op: string): boolean => op.startsWith('Reorder');

/**
 * Milliseconds of every node, by the engine's profile: the nodes between two places where the graph may be cut count as one, the first.
 *
 * Throws   parallel/profile where the engine does not tell the time of each node.
 */
export async function stretchTimes(model: ToCut, lab: Lab): Promise<number[]> {
  const { graph, output, form, columns, data } = model;
  const read = new Map<string, Tensor>([[STEP, tensor('uint32', [], Uint32Array.of(1))]]);
  const size = Math.max(...[...columns.values()].map(({ dims }) => dims[0] ?? 1));
  const list = Int32Array.from({ length: size }, (_, i) => i % data.size);
  await data.prepare?.(list);
  for (const [name, { dtype, dims }] of columns) {
    const column = zeros(dtype, dims);
    data.fill(name, list, elements(column));
    read.set(name, column);
  }
  const times: number[] = [];
  const stretches = stretchesOf(graph, { weights: new Set(form.weights.keys()), output });
  for (const [i, stretch] of stretches.entries()) {
    stopIfAborted(lab.signal);
    const { ms, gives } = await timed(stretch, (name) => read.get(name) ?? form.weights.get(name)!, lab);
    times.push(ms, ...stretch.graph.nodes.slice(1).map(() => 0));
    if (stretch.takes !== undefined) read.delete(stretch.takes);
    read.set(stretch.gives, gives);
    lab.onProgress?.({ task: 'time layers', done: i + 1, total: stretches.length });
  }
  return times;
}

/** One stretch's median time, and what it gives. */
async function timed({ graph, gives }: Stage, read: (name: string) => Tensor, { engine, threads, signal }: Lab) {
  const ready = withStatedOutputs(engineForm(graph, engine));
  using session = await engine.load(engineBytes(ready), {
    optimize: 'none',
    profile: true,
    ...(threads && { threads }),
  });
  if (!session.profile) {
    throw new PareError('parallel/profile', 'This engine does not tell the time of each layer.', {
      got: engine.name,
      hint: "balance by 'cost' or 'memory', or take the native engine",
    });
  }
  const feeds = Object.fromEntries(session.inputs.map(({ name }) => [name, read(name)]));
  let given: Tensor | undefined;
  for (let run = 0; run < RUNS; run++) given = (await session.run(feeds, [gives], signal))[gives]!;
  const events = session.profile();
  const perRun = events.length / RUNS;
  const sums = Array.from({ length: RUNS - WARM_UP }, (_, run) =>
    events
      .slice((run + WARM_UP) * perRun, (run + WARM_UP + 1) * perRun)
      .reduce((sum, { op, durationUs }) => sum + (isReorder(op) ? 0 : durationUs), 0),
  );
  return { ms: quantile(sums, 0.5) / 1000, gives: given! };
}
