/** The span of values that a tensor takes. */

export interface Range {
  readonly lo: number;
  readonly hi: number;
}

/** The range of nothing: joining it to another gives the other. */
export const NOTHING: Range = { lo: Number.POSITIVE_INFINITY, hi: Number.NEGATIVE_INFINITY };

/** The smallest range that holds both. */
export const join = (a: Range, b: Range): Range => ({ lo: Math.min(a.lo, b.lo), hi: Math.max(a.hi, b.hi) });

/** The range of these elements; NaN is skipped. NOTHING for none. */
export function rangeOf(x: ArrayLike<number>): Range {
  let lo = Number.POSITIVE_INFINITY;
  let hi = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < x.length; i++) {
    const value = x[i]!;
    if (value < lo) lo = value;
    if (value > hi) hi = value;
  }
  return { lo, hi };
}
