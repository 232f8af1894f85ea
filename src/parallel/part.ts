/**
 * The part of an array that a rank holds: a stretch of the flattened whole (a sharded update), or some positions along some
 * axes (a split layer). Its numbers are in the order of the whole.
 */

import { sizeOf } from '../graph/tensor.ts';

/** Which numbers of a whole array. */
export interface Positions {
  /** Dimensions of the whole. */
  readonly dims: readonly number[];
  /** First and last + 1 of the flattened whole. */
  readonly range?: readonly [from: number, to: number];
  /** Positions along each axis, growing; undefined where all are here. */
  readonly positions?: readonly (readonly number[] | undefined)[];
}

/** Where a rank's numbers lie in the whole array. Plain data. */
export interface Part extends Positions {
  /** The array's name when whole. */
  readonly of: string;
}

/** The part that an array of this rank is; undefined when it is whole. */
export type PartOf = (name: string) => Part | undefined;

/** How many numbers a part has. */
export const lengthOf = ({ dims, range, positions = [] }: Positions): number =>
  range ? range[1] - range[0] : dims.reduce((product, size, axis) => product * (positions[axis]?.length ?? size), 1);

/** Calls `see` with every stretch of a part, in order: `count` numbers at `whole` in the whole are those at `own` in the part. */
export function stretches(part: Positions, see: (whole: number, own: number, count: number) => void): void {
  const { dims, range, positions = [] } = part;
  if (range) {
    see(range[0], 0, range[1] - range[0]);
    return;
  }
  const last = positions.findLastIndex((list) => list !== undefined);
  if (last < 0) {
    see(0, 0, sizeOf(dims));
    return;
  }
  const inner = sizeOf(dims.slice(last + 1));
  const runs = runsOf(positions[last]!);
  let own = 0;
  const walk = (axis: number, whole: number): void => {
    const size = dims[axis]!;
    if (axis < last) {
      const list = positions[axis];
      for (let i = 0; i < (list?.length ?? size); i++) walk(axis + 1, whole * size + (list ? list[i]! : i));
      return;
    }
    for (const [from, count] of runs) {
      see((whole * size + from) * inner, own, count * inner);
      own += count * inner;
    }
  };
  walk(0, 0);
}

/** [2, 3, 4, 7] → [2, 3], [7, 1]: where neighbours begin, and how many they are. */
function runsOf(list: readonly number[]): [from: number, count: number][] {
  const runs: [number, number][] = [];
  for (const i of list) {
    const last = runs.at(-1);
    if (last && last[0] + last[1] === i) last[1] += 1;
    else runs.push([i, 1]);
  }
  return runs;
}

/** Copies a part into the whole. */
export const putPart = (part: Positions, own: Float32Array, whole: Float32Array): void =>
  stretches(part, (at, from, count) => whole.set(own.subarray(from, from + count), at));
/** Copies a part out of the whole. */
export const takePart = (part: Positions, whole: Float32Array, own: Float32Array): void =>
  stretches(part, (at, to, count) => own.set(whole.subarray(at, at + count), to));
