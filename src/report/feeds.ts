/** Samples as a model takes them: a batch of a data set, under the model's input names. */

import { batchDims, bind, type Dataset, LABELS, portsOf, sampleDimsOf } from '../data/index.ts';
import { bytesPerSample } from '../data/sample-bytes.ts';
import { byteLength } from '../graph/dtype.ts';
import type { Graph, Model } from '../graph/model.ts';
import { elements, sizeOf, type Tensor } from '../graph/tensor.ts';
import { modernize } from '../ops/modern.ts';

/** The samples with these numbers as one batch: a tensor [N, …] for each input. */
export function feedsOf(dataset: Dataset, indices: ArrayLike<number>): Record<string, Tensor> {
  return Object.fromEntries(Object.keys(dataset.inputs).map((name) => [name, columnOf(dataset, name, indices)]));
}

/** The class numbers (or targets) of these samples: int64 [N] or float32 [N, k]. */
export const labelsOf = (dataset: Dataset, indices: ArrayLike<number>): Tensor => columnOf(dataset, LABELS, indices);

function columnOf(dataset: Dataset, name: string, indices: ArrayLike<number>): Tensor {
  const column = name === LABELS ? dataset.labels! : dataset.inputs[name]!;
  const { dtype } = column;
  const all = batchDims(column, indices.length);
  const tensor: Tensor = { dtype, dims: all, bytes: new Uint8Array(byteLength(dtype, sizeOf(all))) };
  dataset.fill(name, indices, elements(tensor));
  return tensor;
}

/** Samples per run: as many as keep a batch of the inputs, and of each value that the model makes of them, under 32 MB; at most 128. */
export function comfortableBatch(dataset: Dataset, model: Model): number {
  const inputs = Object.values(dataset.inputs).reduce(
    (sum, { dtype, dims }) => sum + byteLength(dtype, sizeOf(dims)),
    0,
  );
  const { graph } = modernize(model);
  const bytes = bytesPerSample(graph);
  const most = graph.nodes.flatMap(({ outputs }) => outputs).reduce((max, name) => Math.max(max, bytes(name)), inputs);
  return Math.max(1, Math.min(128, dataset.size, Math.floor(2 ** 25 / Math.max(1, most))));
}

/** The samples under the model's own input names and in its types: those that were read for another model too. Throws what bind throws. */
export function asTaken(dataset: Dataset, graph: Graph): Dataset {
  const ports = portsOf(graph);
  return ports.every(({ name, dtype }) => dataset.inputs[name]?.dtype === dtype) ? dataset : bind(dataset, ports);
}

/** Lengths of the model's open axes by symbol, as these samples (under its input names) have them; the batch's is not among them. */
export function lengthsIn(graph: Graph, { inputs }: Pick<Dataset, 'inputs'>): Record<string, number> {
  const ports = portsOf(graph);
  const batch = ports.map(({ dims, batchAxis = 0 }) => dims[batchAxis]);
  const found = ports.flatMap((port) =>
    sampleDimsOf(port).flatMap((dim, axis): [string, number][] => {
      const length = inputs[port.name]?.dims[axis];
      return typeof dim === 'string' && length !== undefined && !batch.includes(dim) ? [[dim, length]] : [];
    }),
  );
  return Object.fromEntries(found);
}
