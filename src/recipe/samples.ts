/** A few samples as a model takes them, and runs of models like it on them. */

import { type Dataset, noise, portsOf } from '../data/index.ts';
import { byteLength } from '../graph/dtype.ts';
import type { Graph, Model } from '../graph/model.ts';
import { elements, sizeOf, type Tensor } from '../graph/tensor.ts';
import { writeModel } from '../onnx/index.ts';
import type { Lab } from '../runtime/index.ts';

/** The batch that a model insists on, or undefined when any will do. */
export const fixedBatch = (graph: Graph): number | undefined =>
  portsOf(graph).flatMap(({ dims }) => (typeof dims[0] === 'number' ? [dims[0]] : []))[0];

/** The first `batch` samples (repeated if there are fewer), or random ones, as a tensor [N, …] for each input. */
export function feedsFor(graph: Graph, batch: number, data?: Dataset, seed = 0): Record<string, Tensor> {
  const source = data ?? noise(portsOf(graph), { size: batch, seed });
  const indices = Int32Array.from({ length: batch }, (_, i) => i % source.size);
  return Object.fromEntries(
    Object.entries(source.inputs).map(([name, { dtype, dims }]) => {
      const all = [batch, ...dims];
      const made: Tensor = { dtype, dims: all, bytes: new Uint8Array(byteLength(dtype, sizeOf(all))) };
      source.fill(name, indices, elements(made));
      return [name, made];
    }),
  );
}

/** Runs models like this one on the same few samples; all outputs by name. */
export function runsOn(like: Model, data: Dataset | undefined, lab: Lab) {
  const batch = fixedBatch(like.graph) ?? 4;
  return async (model: Model): Promise<Record<string, Tensor>> => {
    const feeds = feedsFor(like.graph, batch, data, lab.seed);
    using session = await lab.engine.load(writeModel(model), { optimize: 'basic' });
    return await session.run(feeds, undefined, lab.signal);
  };
}
