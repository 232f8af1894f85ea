/** Inner values of a model on some samples, kept in memory: what a layer or block is studied on. */

import type { Dataset } from '../../data/dataset.ts';
import { removeDead } from '../../graph/edit.ts';
import type { Model } from '../../graph/model.ts';
import type { Lab } from '../../runtime/index.ts';
import { observe } from '../observe.ts';

export interface Kept {
  /** Of one sample. */
  readonly dims: readonly number[];
  /** Sample by sample. */
  readonly data: Float32Array;
}

/** The named float values on these samples; only what they need of the model is run. */
export async function valuesOf(
  model: Model,
  names: readonly string[],
  data: Dataset,
  samples: ArrayLike<number>,
  lab: Lab,
): Promise<Map<string, Kept>> {
  const parts = new Map<string, { dims: readonly number[]; parts: Float32Array[] }>();
  const fed = new Set(model.graph.inputs.map(({ name }) => name));
  const wanted = names.filter((name) => !fed.has(name)).map((name) => ({ name }));
  const graph = wanted.length > 0 ? removeDead({ ...model.graph, outputs: wanted }) : model.graph;
  const see = (name: string, x: Float32Array, dims: readonly number[]): void => {
    const state = parts.get(name) ?? { dims: dims.slice(1), parts: [] };
    state.parts.push(x.slice());
    parts.set(name, state);
  };
  const { onProgress: _, ...quiet } = lab;
  await observe({ ...model, graph }, names, data, see, { samples, task: 'observe' }, quiet);
  return new Map([...parts].map(([name, { dims, parts: list }]) => [name, { dims, data: joined(list) }]));
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((n, { length }) => n + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
