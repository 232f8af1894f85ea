/**
 * Second moments of what dense layers read, worked out by the engine.
 *
 *   G = E[x xᵀ] over all rows of all samples        x: the last axis of the value
 *   or its diagonal alone
 */

import type { Dataset } from '../data/dataset.ts';
import { bytesPerSample } from '../data/sample-bytes.ts';
import { removeDead, valueInfo } from '../graph/edit.ts';
import type { Model, Node } from '../graph/model.ts';
import { int64, type Tensor } from '../graph/tensor.ts';
import type { Lab } from '../runtime/index.ts';
import { observe } from './observe.ts';

type Make = (op: string, inputs: string[], output: string, attrs?: Node['attrs']) => void;

/** From rows [count, K] to the sum of what is averaged. */
const SUMS: Readonly<Record<'products' | 'squares', (rows: string, sum: string, make: Make) => void>> = {
  products: (rows, sum, make) => {
    make('Transpose', [rows], `${rows}/columns`, { perm: { kind: 'ints', value: [1, 0] } });
    make('MatMul', [`${rows}/columns`, rows], sum);
  },
  squares: (rows, sum, make) => {
    make('Mul', [rows, rows], `${rows}/squares`);
    make('ReduceSum', [`${rows}/squares`, FIRST], sum, { keepdims: { kind: 'int', value: 0 } });
  },
};
const FIRST = 'moments/first';
/** Bytes of the widest value in one run. */
const ROOM = 2 ** 25;
const MOST_PER_RUN = 128;

/**
 * The mean of x·xᵀ [K, K], or of x² [K], for each of the named values [..., K].
 *
 * Memory   16 bytes for each number of the means, and what `observe` needs.
 * Throws   data/port; work/aborted; what running the model throws.
 */
export async function secondMoments(
  model: Model,
  widths: ReadonlyMap<string, number>,
  of: keyof typeof SUMS,
  data: Dataset,
  samples: ArrayLike<number>,
  lab: Lab,
): Promise<Map<string, Float64Array>> {
  const nodes: Node[] = [];
  const initializers = new Map<string, Tensor>([...model.graph.initializers, [FIRST, int64([1], [0])]]);
  const sources = new Map<string, string>();
  const make: Make = (op, inputs, output, attrs = {}) => {
    nodes.push({ op, domain: '', name: output, inputs, outputs: [output], attrs });
  };
  for (const [name, width] of widths) {
    const [rows, mean] = [`${name}/rows`, `${name}/moments`];
    initializers.set(`${rows}/shape`, int64([2], [-1, width]));
    make('Reshape', [name, `${rows}/shape`], rows);
    SUMS[of](rows, `${mean}/sum`, make);
    // Rows differ from batch to batch; a mean keeps the numbers in range.
    make('Shape', [rows], `${mean}/shape`);
    make('Gather', [`${mean}/shape`, FIRST], `${mean}/count`);
    make('Cast', [`${mean}/count`], `${mean}/rows`, { to: { kind: 'int', value: 1 } });
    make('Div', [`${mean}/sum`, `${mean}/rows`], mean);
    sources.set(mean, name);
  }
  const wanted = [...sources.keys()];
  const graph = removeDead({
    ...model.graph,
    nodes: [...model.graph.nodes, ...nodes],
    initializers,
    outputs: wanted.map((name) => valueInfo(name, 'float32')),
  });
  const means = new Map<string, { sum: Float64Array; batches: number }>();
  const see = (name: string, values: Float32Array): void => {
    const state = means.get(name) ?? { sum: new Float64Array(values.length), batches: 0 };
    for (let i = 0; i < values.length; i++) state.sum[i]! += values[i]!;
    state.batches += 1;
    means.set(name, state);
  };
  // As many samples to a run as what is multiplied leaves room for: what comes out is as large for one as for many.
  const bytes = bytesPerSample(model.graph);
  const widest = [...widths.keys()].reduce((most, name) => Math.max(most, bytes(name)), 1);
  const batch = Math.max(1, Math.min(MOST_PER_RUN, Math.floor(ROOM / widest)));
  await observe({ ...model, graph }, wanted, data, see, { samples, batch, isWhole: true, task: 'second moments' }, lab);
  return new Map(
    [...means].map(([name, { sum, batches }]) => {
      for (let i = 0; i < sum.length; i++) sum[i]! /= batches;
      return [sources.get(name)!, sum];
    }),
  );
}
