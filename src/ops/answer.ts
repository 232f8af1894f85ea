/** Answers that many rows give alike. */

import { isStatic } from '../graph/dim.ts';
import type { Dim } from '../graph/model.ts';
import type { Builder } from './builder.ts';
import type { StaticValue, Value } from './op.ts';

/** An axis counted from the front. */
export const fromFront = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** The elements of an integer value, where all of them are known numbers. */
export const knownInts = (value: Value | undefined): readonly number[] | undefined =>
  value?.ints?.every((x) => typeof x === 'number') ? (value.ints as readonly number[]) : undefined;

/** What an op without multiplications costs. */
export const noMacs = () => ({ macs: 0 });

/** Number of elements; 1 for a scalar. */
export const count = (dims: readonly number[]): number => dims.reduce((n, dim) => n * dim, 1);

/** Float zeros of these dimensions, made at run time: as a constant they would fill the file. */
export const zerosOf = (dims: readonly number[], g: Builder): StaticValue =>
  dims.length === 0 ? g.scalar(0) : g.ConstantOfShape(g.ints(dims));

/** A value with places 0, 1, … count − 1 along one axis of a tensor of this rank. */
export const placesAlong = (view: readonly number[], places: readonly number[], g: Builder): StaticValue =>
  g.reshape(g.ints(places), view);

/** The known elements of a value under a rule that says where each element of the result is read; undefined if unknown. */
export function rearranged(
  X: Value,
  dims: readonly Dim[],
  readAt: (place: readonly number[]) => readonly number[],
): readonly Dim[] | undefined {
  if (!X.ints || !isStatic(X.dims) || !isStatic(dims)) return undefined;
  const from = X.dims;
  return Array.from({ length: count(dims) }, (_, flat) => {
    let rest = flat;
    const place = dims.map((__, i) => {
      const below = count(dims.slice(i + 1));
      const at = Math.floor(rest / below);
      rest -= at * below;
      return at;
    });
    return X.ints![readAt(place).reduce((at, i, axis) => at * from[axis]! + i, 0)]!;
  });
}
