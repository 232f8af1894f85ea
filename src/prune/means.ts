/** Means over batches of what appended nodes give: statistics that the engine computes itself, without fetching activations. */

import type { Dataset } from '../data/index.ts';
import { removeDead, valueInfo } from '../graph/edit.ts';
import type { Graph, Model } from '../graph/model.ts';
import { numbers, type Tensor } from '../graph/tensor.ts';
import { type Builder, draft } from '../ops/builder.ts';
import { infer } from '../ops/infer.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Lab, type Session, stopIfAborted } from '../runtime/index.ts';
import { loadModel } from '../runtime/load-model.ts';
import { type Feeding, type FeedingOptions, feeding } from './data-batches.ts';

export interface MeansOptions extends FeedingOptions {
  /** Told in the progress. */
  readonly task: string;
  /** A prefix of the names under which a batch counts, by its number; batches of other parts do not mix with it. Default ''. */
  readonly partOf?: (batch: number) => string;
  /** Changes the graph once its dimensions are numbers, before nodes are appended. */
  readonly prepare?: (graph: Graph, feed: Feeding) => Graph;
}

/**
 * The means over full batches of the values that `build` appends, by the names that it gives.
 *
 * Throws   what `feeding` throws; engine/… from the runs; work/aborted.
 */
export async function meansOf(
  model: Model,
  data: Dataset,
  build: (g: Builder, of: (name: string) => StaticValue) => Readonly<Record<string, StaticValue>>,
  { task, prepare = (graph) => graph, partOf = () => '', ...options }: MeansOptions,
  lab: Lab,
): Promise<Map<string, Float64Array>> {
  const feed = feeding(model.graph, data, { seed: lab.seed, ...options });
  const ready = prepare(feed.graph, feed);
  const building = draft(ready, infer(ready));
  const made = Object.entries(build(building.g, building.g.of));
  const means = new Map<string, Float64Array>();
  if (made.length === 0) return means;
  const outputs = made.map(([, { name, dtype, dims }]) => valueInfo(name, dtype, dims));
  using session = await loadGraph(model, removeDead({ ...building.finish(), outputs }), lab);
  const sizes = new Map<string, number>();
  for (let i = 0; i < feed.count; i++) sizes.set(partOf(i), (sizes.get(partOf(i)) ?? 0) + 1);
  let done = 0;
  for (const { feeds } of feed.each()) {
    stopIfAborted(lab.signal);
    const values: Record<string, Tensor> = await session.run(feeds, undefined, lab.signal);
    const part = partOf(done);
    for (const [key, { name }] of made) {
      const now = numbers(values[name]!);
      const mean = means.get(`${part}${key}`) ?? new Float64Array(now.length);
      means.set(`${part}${key}`, mean);
      for (let i = 0; i < now.length; i++) mean[i]! += now[i]! / sizes.get(part)!;
    }
    lab.onProgress?.({ task, done: ++done, total: feed.count });
  }
  return means;
}

/** A session on a graph of this model, as written: no fusion may take away a value that is asked for. */
export const loadGraph = (model: Model, graph: Graph, lab: Lab): Promise<Session> =>
  loadModel(
    lab.engine,
    { ...model, graph, opsets: { 'com.microsoft': 1, ...model.opsets } },
    { optimize: 'none', ...(lab.threads && { threads: lab.threads }) },
  );
