/** Feeds for a graph from a data set, batch by batch, under the graph's own names and sizes. What is measured is measured in float32. */

import { PareError } from '../base/error.ts';
import { batchDims, batches, bind, type Column, type Dataset, LABELS, portsOf } from '../data/index.ts';
import { factsOf, type TypedArray } from '../graph/dtype.ts';
import type { Graph, ValueInfo } from '../graph/model.ts';
import { sizeOf, type Tensor, tensor } from '../graph/tensor.ts';
import { widenGraph } from '../rewrite/widen.ts';

export interface Feeding {
  /** The graph with numbers for every dimension of its inputs, and float32 for 16-bit floats. */
  readonly graph: Graph;
  readonly batch: number;
  /** Full batches only; `labels` where the set has them. */
  readonly each: () => Generator<{ readonly feeds: Record<string, Tensor>; readonly labels?: Tensor }, void, void>;
  readonly count: number;
}

export interface FeedingOptions {
  /** Samples to use. Default all, but no more than 256. */
  samples?: number | undefined;
  /** Samples per batch; a graph made for a fixed batch keeps its own. Default 32. */
  batch?: number;
  seed?: number | undefined;
}

/**
 * Fixes the graph's inputs to a batch of this data.
 *
 * Throws   data/inputs, data/shape when the data does not fit the model; prune/data when it has less than one batch.
 */
export function feeding(
  narrow: Graph,
  data: Dataset,
  { samples = 256, batch = 32, seed = 0 }: FeedingOptions = {},
): Feeding {
  const graph = widenGraph(narrow);
  const ports = portsOf(graph);
  const own = bind(data, ports);
  const fixed = ports.map(({ dims }) => dims[0]).find((dim) => typeof dim === 'number');
  const size = Math.min(own.size, samples);
  const rows = typeof fixed === 'number' ? fixed : Math.min(batch, size);
  if (size < rows || size === 0)
    throw new PareError('prune/data', `"${data.name}" does not fill one batch of the model.`, {
      where: data.name,
      expected: `${rows} samples`,
      got: `${size}`,
    });
  const inputs = graph.inputs.map((info): ValueInfo => {
    const column = own.inputs[info.name];
    return column ? { ...info, type: { kind: 'tensor', dtype: column.dtype, dims: batchDims(column, rows) } } : info;
  });
  return {
    graph: { ...graph, inputs, outputs: graph.outputs.map(({ name }) => ({ name })), values: new Map() },
    batch: rows,
    count: Math.floor(size / rows),
    *each() {
      let given = 0;
      for (const indices of batches(own.size, { batch: rows, seed, dropLast: true })) {
        if (given++ >= Math.floor(size / rows)) return;
        const feeds = Object.fromEntries(
          Object.entries(own.inputs).map(([name, column]) => [name, filled(own, name, column, indices)]),
        );
        const { labels } = own;
        yield { feeds, ...(labels && { labels: filled(own, LABELS, labels, indices) }) };
      }
    },
  };
}

function filled(data: Dataset, name: string, column: Column, indices: Int32Array): Tensor {
  const { dtype } = column;
  const shape = batchDims(column, indices.length);
  const make = factsOf(dtype).array as unknown as new (length: number) => TypedArray;
  const into = new make(sizeOf(shape));
  data.fill(name, indices, into);
  return tensor(dtype, shape, into);
}
