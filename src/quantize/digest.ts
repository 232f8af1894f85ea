/**
 * Sums values up inside the engine, so that a few numbers of each come out instead of all: copying activations takes longer than
 * computing them, and keeping them takes memory.
 *
 *   ends     a tensor whose least and largest entries are the value's: the extremes of each channel's places
 *   means    the mean over the places of each channel, [N, C, 1, …] or [N, 1, …, C]
 */

import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { draft } from '../ops/builder.ts';
import type { Facts } from '../ops/infer.ts';
import type { Value } from '../ops/op.ts';

export interface Wanted {
  readonly name: string;
  readonly ends: boolean;
  /** Where the channels lie; undefined when no means are wanted. */
  readonly means?: 'second' | 'last' | undefined;
  /** Is it never below 0? Then its least entry is not looked for: a grid begins at 0 at the most. */
  readonly isNonNegative: boolean;
}

export interface Digest {
  /** The model with the sums as further outputs. */
  readonly model: Model;
  /** What each output tells of which value; a value that is small itself tells all there is to know. */
  readonly tells: ReadonlyMap<string, { readonly of: string; readonly ends: boolean; readonly means: boolean }>;
}

/** A value has places beside its samples and channels from this rank on. */
const LEAST_RANK = 3;

/** `isEnough`: are the ends all that is looked at? Otherwise values come out whole, and only means are summed up. */
export function digest(model: Model, facts: Facts, wanted: readonly Wanted[], isEnough: boolean): Digest {
  const building = draft<Value>(model.graph, facts);
  const { g } = building;
  const tells = new Map<string, { of: string; ends: boolean; means: boolean }>();
  const outputs = new Set(model.graph.outputs);
  const out = (value: Value, of: string, what: { ends: boolean; means: boolean }): void => {
    outputs.add(valueInfo(value.name, 'float32', value.dims));
    tells.set(value.name, { of, ...what });
  };
  for (const { name, ends, means, isNonNegative } of wanted) {
    const x = facts.get(name);
    const rank = x?.dims.length ?? 0;
    const isSmall = !x || rank < LEAST_RANK;
    if (isSmall || (ends && !isEnough)) tells.set(name, { of: name, ends, means: isSmall && means !== undefined });
    if (isSmall) continue;
    const places = Array.from({ length: rank - 2 }, (_, i) => i + 2);
    // The engine pools maps in its own layout of channels; for a reduction it would have to undo that.
    const isMap = rank === 4;
    if (ends && isEnough) {
      const most = isMap ? g.GlobalMaxPool(x) : g.ReduceMax(x, places);
      const all = isNonNegative ? most : g.Concat(most, g.ReduceMin(x, places), { axis: 0 });
      out(all, name, { ends: true, means: false });
    }
    if (means) {
      const isSecond = means === 'second';
      const mean =
        isMap && isSecond ? g.GlobalAveragePool(x) : g.ReduceMean(x, isSecond ? places : places.map((i) => i - 1));
      out(mean, name, { ends: false, means: true });
    }
  }
  return { model: { ...model, graph: building.finish([...outputs]) }, tells };
}
