/**
 * Links between channels: "what is cut here is cut there".
 *
 * A channel is one position along one axis of one value. A row ties the positions that live and die together;
 * positions of axes that no link mentions are protected, because nothing says what cutting them would mean.
 */

/** One axis of one value. */
export interface Axis {
  readonly value: string;
  readonly axis: number;
  readonly size: number;
}

export type Link =
  /** Positions i of `a` and j of `b` are one channel. */
  | {
      readonly kind: 'tie';
      readonly a: Axis;
      readonly b: Axis;
      readonly pairs: (visit: (i: number, j: number) => void) => void;
      readonly why: string;
      /** The channel is a part of each position's number: how often it repeats along an axis does not matter. */
      readonly isInside?: boolean;
    }
  /** This axis may be cut without a consequence for other values (a plain sum over it). */
  | { readonly kind: 'free'; readonly axis: Axis }
  /** The op mixes along this axis: a cut network is not the masked network; the axis is protected, with the reason. */
  | { readonly kind: 'mixes'; readonly axis: Axis; readonly why: string }
  /** Ways to follow the op that exclude each other, the usual one first: heads or what lies inside a head. */
  | { readonly kind: 'choice'; readonly options: readonly (readonly Link[])[] }
  /** After a cut, attributes or constant integer inputs change. `kept` gives the positions that stay. */
  | { readonly kind: 'adjust'; readonly change: (kept: Kept) => Adjustment };

/** The positions of an axis that stay, in order. */
export type Kept = (axis: Axis) => readonly number[];

export interface Adjustment {
  /** New attribute values; undefined takes the attribute away. */
  readonly attrs?: Readonly<Record<string, number | readonly number[] | undefined>>;
  /** Constant integer inputs by slot. */
  readonly ints?: Readonly<Record<string, readonly number[]>>;
  /** Single numbers of an integer input by slot and place, where the rest is only known at run time. */
  readonly entries?: Readonly<Record<string, ReadonlyMap<number, number>>>;
}

/** Position i of a is position i of b. */
export const tie = (a: Axis, b: Axis, why = 'same channel'): Link => ({
  kind: 'tie',
  a,
  b,
  why,
  pairs: (visit) => {
    const count = Math.min(a.size, b.size);
    for (let i = 0; i < count; i++) visit(i, i);
  },
});

/** Position aFrom + i of a is position bFrom + i of b, for i < count. */
export const tieRange = (
  a: Axis,
  aFrom: number,
  b: Axis,
  bFrom: number,
  count: number,
  why = 'same channel, shifted',
): Link => ({
  kind: 'tie',
  a,
  b,
  why,
  pairs: (visit) => {
    for (let i = 0; i < count; i++) visit(aFrom + i, bFrom + i);
  },
});

/** Position i of the outer axis is the run [i·block, (i+1)·block) of the flat axis. */
export const tieBlocks = (outer: Axis, flat: Axis, block: number, why = 'channel flattened'): Link => ({
  kind: 'tie',
  a: outer,
  b: flat,
  why,
  pairs: (visit) => {
    for (let i = 0; i < outer.size; i++) for (let k = 0; k < block; k++) visit(i, i * block + k);
  },
});

/** Position j of the wide axis is position j mod period of the narrow one (and so are all that agree modulo period). */
export const tieModulo = (wide: Axis, narrow: Axis, why = 'same place in every group'): Link => ({
  kind: 'tie',
  a: wide,
  b: narrow,
  why,
  pairs: (visit) => {
    for (let j = 0; j < wide.size; j++) visit(j, j % narrow.size);
  },
});

/**
 * What lies inside two axes that hold the same elements in other runs: position p of `a` and q of `b` are one channel
 * where (p / insideA) mod size = (q / insideB) mod size.
 */
export const tieInside = (
  a: Axis,
  insideA: number,
  b: Axis,
  insideB: number,
  size: number,
  why = 'same place in every block',
): Link => ({
  kind: 'tie',
  a,
  b,
  why,
  isInside: true,
  pairs: (visit) => {
    const first = (i: number, inside: number): number => (i % size) * inside;
    for (let p = 0; p < a.size; p++) visit(p, first(Math.floor(p / insideA), insideB));
    for (let q = 0; q < b.size; q++) visit(first(Math.floor(q / insideB), insideA), q);
  },
});

/** Positions of one axis that agree modulo `period` are tied to each other. */
export const tieWithin = (axis: Axis, period: number, why = 'same place in every group'): Link => ({
  kind: 'tie',
  a: axis,
  b: axis,
  why,
  pairs: (visit) => {
    for (let j = period; j < axis.size; j++) visit(j, j % period);
  },
});

/** The positions of each run of `width` are tied to each other: they go together. */
export const tieRuns = (axis: Axis, width: number, why: string): Link => ({
  kind: 'tie',
  a: axis,
  b: axis,
  why,
  pairs: (visit) => {
    for (let j = 0; j < axis.size; j++) visit(j, j - (j % width));
  },
});

export const free = (axis: Axis): Link => ({ kind: 'free', axis });
export const choice = (...options: (readonly Link[])[]): Link => ({ kind: 'choice', options });
export const mixes = (axis: Axis, why: string): Link => ({ kind: 'mixes', axis, why });
export const adjust = (change: (kept: Kept) => Adjustment): Link => ({ kind: 'adjust', change });

/** Ties every axis of the result to the axis of an operand that numpy broadcasting lays on it; axes of size 1 stretch and are skipped. */
export function tieBroadcast(result: readonly Axis[], operand: readonly Axis[] | undefined): Link[] {
  if (!operand) return [];
  return operand.flatMap((axis, i) => {
    const partner = result[result.length - operand.length + i];
    if (!partner) return [];
    // A stretched axis of size 1 has nothing to cut on its side; it is free, not protected.
    return axis.size === partner.size ? [tie(partner, axis, 'element-wise')] : [free(axis)];
  });
}
