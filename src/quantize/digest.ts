/**
 * Sums values up inside the engine, so that a few numbers of each come out instead of all: copying activations takes longer than
 * computing them, and keeping them takes memory. What is alike lies side by side in one output: an output costs more than what it holds.
 *
 *   ends     the extremes of each channel's places; the least and the largest of them are the value's
 *   means    the mean over the places of each channel, [N, C, 1, …] or [N, 1, …, C]
 */

import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { sizeOf } from '../graph/tensor.ts';
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

/** What a stretch of an output tells of a value. */
export interface Part {
  readonly of: string;
  readonly ends: boolean;
  readonly means: boolean;
  /** Channels of the value; all there are where it has the output for itself. */
  readonly channels?: number;
}

/** Values side by side along an axis. */
interface Shelf {
  readonly axis: number;
  readonly most: Value[];
  readonly least: Value[];
  readonly parts: Part[];
}

export interface Digest {
  /** The model with the sums as further outputs. */
  readonly model: Model;
  /** What each output tells, in the order in which it lies along the axis; a value that is small itself tells all there is to know. */
  readonly tells: ReadonlyMap<string, { readonly axis: number; readonly parts: readonly Part[] }>;
}

/** A value has places beside its samples and channels from this rank on. */
const LEAST_RANK = 3;

/** `isEnough`: are the ends all that is looked at? Otherwise values come out whole, and only means are summed up. */
export function digest(model: Model, facts: Facts, wanted: readonly Wanted[], isEnough: boolean): Digest {
  const building = draft<Value>(model.graph, facts);
  const { g } = building;
  const tells = new Map<string, { axis: number; parts: readonly Part[] }>();
  const shelves = new Map<string, Shelf>();
  const put = (part: Part, axis: number, most: Value, least?: Value): void => {
    const channels = most.dims[axis];
    const isAlike = typeof channels === 'number' && most.dims.every((dim, i) => i === axis || dim !== null);
    const key = isAlike ? [part.ends, !least, axis, ...most.dims.with(axis, -1)].join(' ') : most.name;
    const shelf = shelves.get(key) ?? { axis, most: [], least: [], parts: [] };
    shelf.most.push(most);
    if (least) shelf.least.push(least);
    shelf.parts.push(isAlike ? { ...part, channels } : part);
    shelves.set(key, shelf);
  };
  for (const { name, ends, means, isNonNegative } of wanted) {
    const x = facts.get(name);
    const rank = x?.dims.length ?? 0;
    const isSmall = !x || rank < LEAST_RANK;
    if (isSmall || (ends && !isEnough)) {
      tells.set(name, { axis: 0, parts: [{ of: name, ends, means: isSmall && means !== undefined }] });
    }
    if (isSmall) continue;
    const places = Array.from({ length: rank - 2 }, (_, i) => i + 2);
    // The engine pools maps in its own layout of channels; for a reduction it would have to undo that.
    const isMap = rank === 4;
    if (ends && isEnough) {
      const most = isMap ? g.GlobalMaxPool(x) : g.ReduceMax(x, places);
      put({ of: name, ends: true, means: false }, 1, most, isNonNegative ? undefined : g.ReduceMin(x, places));
    }
    if (means) {
      const isSecond = means === 'second';
      const mean =
        isMap && isSecond ? g.GlobalAveragePool(x) : g.ReduceMean(x, isSecond ? places : places.map((i) => i - 1));
      put({ of: name, ends: false, means: true }, isSecond ? 1 : rank - 1, mean);
    }
  }
  const outputs = new Set(model.graph.outputs);
  const joined = (values: readonly Value[], axis: number): Value =>
    values.length === 1 ? values[0]! : g.Concat(...values, { axis });
  for (const { axis, most, least, parts } of shelves.values()) {
    const sides = [most, least].filter(({ length }) => length > 0).map((side) => joined(side, axis));
    const { name, dims } = joined(sides, 0);
    outputs.add(valueInfo(name, 'float32', dims));
    tells.set(name, { axis, parts });
  }
  return { model: { ...model, graph: building.finish([...outputs]) }, tells };
}

/** Where the numbers of a part are laid out, by the part. */
export type PartMemory = Map<Part, Float32Array>;

/**
 * The numbers of each part of an output, in turn: those of one part are a tensor of their own. `memory` is taken again where as many numbers
 * come, so that what is taken is read at once.
 */
export function eachPart(
  x: Float32Array,
  dims: readonly number[],
  { axis, parts }: { readonly axis: number; readonly parts: readonly Part[] },
  memory: PartMemory,
  take: (part: Part, values: Float32Array, dims: readonly number[]) => void,
): void {
  if (parts.length === 1) {
    take(parts[0]!, x, dims);
    return;
  }
  const inner = sizeOf(dims.slice(axis + 1));
  const row = dims[axis]! * inner;
  let from = 0;
  for (const part of parts) {
    const width = part.channels! * inner;
    const length = (x.length / row) * width;
    const known = memory.get(part);
    const values = known?.length === length ? known : new Float32Array(length);
    if (values !== known) memory.set(part, values);
    for (let at = 0, start = from; at < length; start += row) {
      for (let k = 0; k < width; k++) values[at++] = x[start + k]!;
    }
    from += width;
    take(part, values, dims.with(axis, part.channels!));
  }
}
