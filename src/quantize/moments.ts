/**
 * Second moments of what dense layers read, worked out by the engine.
 *
 *   G = E[x xᵀ] over all rows of all samples        x: the last axis of the value
 */

import type { Dataset } from '../data/dataset.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model, Node } from '../graph/model.ts';
import { int64, type Tensor } from '../graph/tensor.ts';
import type { Lab } from '../runtime/index.ts';
import { observe } from './observe.ts';

/**
 * The mean of x·xᵀ [K, K] for each of the named values [..., K].
 *
 * Throws   data/port; work/aborted; what running the model throws.
 */
export async function secondMoments(
  model: Model,
  widths: ReadonlyMap<string, number>,
  data: Dataset,
  samples: ArrayLike<number>,
  lab: Lab,
): Promise<Map<string, Float64Array>> {
  const nodes: Node[] = [];
  const initializers = new Map<string, Tensor>(model.graph.initializers);
  const sources = new Map<string, string>();
  const make = (op: string, inputs: string[], output: string, attrs: Node['attrs'] = {}): void => {
    nodes.push({ op, domain: '', name: output, inputs, outputs: [output], attrs });
  };
  for (const [name, width] of widths) {
    const [flat, turned, gram] = [`${name}/rows`, `${name}/columns`, `${name}/moments`];
    initializers.set(`${flat}/shape`, int64([2], [-1, width]));
    make('Reshape', [name, `${flat}/shape`], flat);
    make('Transpose', [flat], turned, { perm: { kind: 'ints', value: [1, 0] } });
    make('MatMul', [turned, flat], `${gram}/sum`);
    // Rows differ from batch to batch; a mean keeps the numbers in range.
    make('Shape', [flat], `${gram}/shape`);
    initializers.set(`${gram}/first`, int64([], [0]));
    make('Gather', [`${gram}/shape`, `${gram}/first`], `${gram}/count`);
    make('Cast', [`${gram}/count`], `${gram}/rows`, { to: { kind: 'int', value: 1 } });
    make('Div', [`${gram}/sum`, `${gram}/rows`], gram);
    sources.set(gram, name);
  }
  const wanted = [...sources.keys()];
  const graph = {
    ...model.graph,
    nodes: [...model.graph.nodes, ...nodes],
    initializers,
    outputs: wanted.map((name) => valueInfo(name, 'float32')),
  };
  const means = new Map<string, { sum: Float64Array; batches: number }>();
  const see = (name: string, values: Float32Array): void => {
    const state = means.get(name) ?? { sum: new Float64Array(values.length), batches: 0 };
    for (let i = 0; i < values.length; i++) state.sum[i]! += values[i]!;
    state.batches += 1;
    means.set(name, state);
  };
  await observe({ ...model, graph }, wanted, data, see, { samples, task: 'second moments' }, lab);
  return new Map(
    [...means].map(([name, { sum, batches }]) => [sources.get(name)!, sum.map((value) => value / batches)]),
  );
}
