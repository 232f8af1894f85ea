/** Samples as a model takes them: a batch of a data set, or of random numbers, under the model's input names. */

import { type Dataset, LABELS, noise, portsOf } from '../data/index.ts';
import { byteLength } from '../graph/dtype.ts';
import type { Graph, Model } from '../graph/model.ts';
import { elements, sizeOf, type Tensor } from '../graph/tensor.ts';
import { writeModel } from '../onnx/index.ts';
import type { Lab } from '../runtime/lab.ts';

/** The batch that the model insists on, or undefined when any will do. */
export function fixedBatch(graph: Graph): number | undefined {
  const sizes = portsOf(graph).flatMap(({ dims }) => (typeof dims[0] === 'number' ? [dims[0]] : []));
  return sizes[0];
}

/** The samples with these numbers as one batch: a tensor [N, …] for each input. */
export function feedsOf(dataset: Dataset, indices: ArrayLike<number>): Record<string, Tensor> {
  return Object.fromEntries(Object.keys(dataset.inputs).map((name) => [name, columnOf(dataset, name, indices)]));
}

/** The class numbers (or targets) of these samples: int64 [N] or float32 [N, k]. */
export const labelsOf = (dataset: Dataset, indices: ArrayLike<number>): Tensor => columnOf(dataset, LABELS, indices);

function columnOf(dataset: Dataset, name: string, indices: ArrayLike<number>): Tensor {
  const { dtype, dims } = name === LABELS ? dataset.labels! : dataset.inputs[name]!;
  const all = [indices.length, ...dims];
  const tensor: Tensor = { dtype, dims: all, bytes: new Uint8Array(byteLength(dtype, sizeOf(all))) };
  dataset.fill(name, indices, elements(tensor));
  return tensor;
}

/** Random inputs of the model's shapes and types; see `noise` for what is drawn. */
export const randomFeeds = (
  graph: Graph,
  batch: number,
  seed = 0,
  dims: Readonly<Record<string, number>> = {},
): Record<string, Tensor> =>
  feedsOf(
    noise(portsOf(graph), { size: batch, seed, dims }),
    Array.from({ length: batch }, (_, i) => i),
  );

/** Samples per run: as many as keep a batch of inputs under 32 MB, at most 128. */
export function comfortableBatch(dataset: Dataset): number {
  const bytes = Object.values(dataset.inputs).reduce(
    (sum, { dtype, dims }) => sum + byteLength(dtype, sizeOf(dims)),
    0,
  );
  return Math.max(1, Math.min(128, dataset.size, Math.floor(2 ** 25 / Math.max(1, bytes))));
}

/**
 * Runs models like this one on the same few samples: of the data set, or random ones. All outputs by name.
 *
 * Throws   data/port for inputs that random numbers cannot feed; engine/… from the runs.
 */
export function runsOn(
  like: Model,
  lab: Lab,
  dataset?: Dataset,
  batch = 4,
): (model: Model) => Promise<Record<string, Tensor>> {
  const size = fixedBatch(like.graph) ?? batch;
  const feeds = dataset
    ? feedsOf(
        dataset,
        Array.from({ length: size }, (_, i) => i % dataset.size),
      )
    : randomFeeds(like.graph, size, lab.seed);
  return async (model) => {
    using session = await lab.engine.load(writeModel(model), {
      ...(lab.threads !== undefined && { threads: lab.threads }),
      optimize: 'basic',
    });
    return session.run(feeds, undefined, lab.signal);
  };
}
