/** Sums over samples that the engine computes itself: second moments and the like, without fetching activations. */

import { PareError } from '../base/error.ts';
import { batchDims, batches, bind, type Dataset, portsOf } from '../data/index.ts';
import { factsOf, type TypedArray } from '../graph/dtype.ts';
import { removeDead, valueInfo } from '../graph/edit.ts';
import type { Graph, Model } from '../graph/model.ts';
import { elements, type Tensor, zeros } from '../graph/tensor.ts';
import { type Builder, draft } from '../ops/builder.ts';
import { MODERN_OPSET } from '../ops/modern.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Lab, stopIfAborted } from '../runtime/index.ts';
import { loadModel } from '../runtime/load-model.ts';

export interface ObserveOptions {
  /** Samples to look at, the first ones of a seeded order. Default 512, or all when there are fewer. */
  readonly samples?: number | undefined;
  /** Samples per run; a model made for another number keeps its own. Default 32. */
  readonly batch?: number | undefined;
  /** Share of the runs whose sums are kept apart, to judge a fit by. Default 0. */
  readonly held?: number | undefined;
  readonly task?: string | undefined;
}

export interface Sums {
  /** Σ over the runs to fit on, by the name that `build` gave. */
  readonly fit: ReadonlyMap<string, Float64Array>;
  /** Σ over the runs kept apart; empty when there are none. */
  readonly held: ReadonlyMap<string, Float64Array>;
  /** Runs whose sums are in `fit` and in `held`. */
  readonly runs: readonly [fit: number, held: number];
}

/** The graph with the dimensions of its inputs as this data has them, `batch` samples at a time; shapes are told anew. */
export function boundGraph(graph: Graph, data: Dataset, batch: number): Graph {
  const inputs = graph.inputs.map((info) => {
    const column = data.inputs[info.name];
    return column ? valueInfo(info.name, column.dtype, batchDims(column, batch)) : info;
  });
  return { ...graph, inputs, values: new Map(), outputs: graph.outputs.map(({ name }) => ({ name })) };
}

/** Samples per run: what the model insists on, else `wish`. */
export function batchOf(graph: Graph, data: Dataset, wish = 32): number {
  const fixed = portsOf(graph)
    .map(({ dims }) => dims[0])
    .find((dim) => typeof dim === 'number');
  return typeof fixed === 'number' ? fixed : Math.min(wish, data.size);
}

/**
 * Appends nodes to the model, runs it over samples and sums what those nodes give (float32 or float64).
 *
 * Throws   data/inputs, data/shape when the data does not fit the model; compress/data when it has less than one batch.
 */
export async function observe(
  model: Model,
  data: Dataset,
  build: (g: Builder, of: (name: string) => StaticValue) => Readonly<Record<string, StaticValue>>,
  options: ObserveOptions,
  lab: Lab,
): Promise<Sums> {
  const own = bind(data, portsOf(model.graph));
  const batch = batchOf(model.graph, own, options.batch);
  const count = Math.floor(Math.min(options.samples ?? 512, own.size) / batch);
  if (count === 0) {
    throw new PareError('compress/data', `"${data.name}" does not fill one batch of the model.`, {
      where: data.name,
      expected: `${batch} samples`,
      got: `${Math.min(options.samples ?? 512, own.size)}`,
    });
  }
  const building = draft(boundGraph(model.graph, own, batch));
  const made = Object.entries(build(building.g, building.g.of));
  const outputs = made.map(([, { name, dtype, dims }]) => valueInfo(name, dtype, dims));
  const graph = removeDead(building.finish(outputs));
  const shown = { ...model, opsets: { ...model.opsets, '': MODERN_OPSET }, graph };
  using session = await loadModel(lab.engine, shown, lab.threads ? { threads: lab.threads } : {});
  const ports = new Set(session.inputs.map(({ name }) => name));
  const memory = Object.entries(own.inputs)
    .filter(([name]) => ports.has(name))
    .map(([name, column]): [string, Tensor] => [name, zeros(column.dtype, batchDims(column, batch))]);
  const held = count > 1 ? Math.min(count - 1, Math.round((options.held ?? 0) * count)) : 0;
  const sums: [Map<string, Float64Array>, Map<string, Float64Array>] = [new Map(), new Map()];
  let done = 0;
  for (const list of batches(own.size, { batch, seed: lab.seed ?? 0, dropLast: true })) {
    if (done === count) break;
    stopIfAborted(lab.signal);
    for (const [name, tensor] of memory) own.fill(name, list, elements(tensor));
    const values = await session.run(Object.fromEntries(memory), undefined, lab.signal);
    const into = sums[done < count - held ? 0 : 1];
    for (const [key, { name }] of made) add(into, key, elements(values[name]!));
    done += 1;
    lab.onProgress?.({ task: options.task ?? 'observe', done: done * batch, total: count * batch });
  }
  return { fit: sums[0], held: sums[1], runs: [count - held, held] };
}

function add(sums: Map<string, Float64Array>, key: string, values: TypedArray): void {
  const sum = sums.get(key);
  if (!sum) {
    sums.set(key, Float64Array.from(values as Float32Array));
    return;
  }
  for (let i = 0; i < sum.length; i++) sum[i]! += Number(values[i]!);
}

/** The code of float64 for Cast: sums of squares keep their last digits. */
export const DOUBLE = factsOf('float64').code;

/** A value with its channels (axis 1, or the last axis when `last`) as columns: [rows, channels]. */
export function asRows(g: Builder, x: StaticValue, last: boolean): StaticValue {
  const rank = x.dims.length;
  const channels = x.dims[last ? rank - 1 : 1]!;
  const order = [0, ...x.dims.map((_, i) => i).slice(2), 1];
  const turned = last || rank === 2 ? x : g.Transpose(x, { perm: order });
  return g.reshape(turned, [x.dims.reduce((n, dim) => n * dim, 1) / channels, channels]);
}
