/**
 * How often values of each size were seen, in memory that does not grow.
 *
 * Widths are powers of two and only ever double, so the order of adding and merging cannot matter: |x| falls into bin
 * floor(|x| / w), and two neighbours of width w are exactly one of width 2w. Positive and negative values are counted
 * apart; zeros (most of what a ReLU gives) are counted by themselves.
 */

import { type Range, rangeOf } from './range.ts';

/** Exponents below this would make a width that is no normal float64. */
const LEAST_EXPONENT = -1000;

export class Histogram {
  /** Bins on each side of 0. */
  readonly bins: number;
  /** Values seen. */
  count = 0;
  /** Those that were exactly 0. */
  zeros = 0;
  /** The least and the largest value seen: exact. */
  lo = Number.POSITIVE_INFINITY;
  hi = Number.NEGATIVE_INFINITY;
  /** Counts of positive and negative values by floor(|x| / width). */
  readonly above: Float64Array;
  readonly below: Float64Array;
  #exponent = LEAST_EXPONENT;

  constructor(bins = 2048) {
    this.bins = bins;
    this.above = new Float64Array(bins);
    this.below = new Float64Array(bins);
  }

  /** Width of a bin. */
  get width(): number {
    return 2 ** this.#exponent;
  }

  /** Counts these values; NaN is skipped. Infinite values count as the range's end only. */
  add(x: ArrayLike<number>): void {
    const { lo, hi } = rangeOf(x);
    this.lo = Math.min(this.lo, lo);
    this.hi = Math.max(this.hi, hi);
    const most = Math.max(Math.abs(lo), Math.abs(hi));
    if (most > 0 && Number.isFinite(most)) this.#widen(exponentFor(most, this.bins));
    const { above, below } = this;
    const perWidth = 1 / this.width;
    let zeros = 0;
    let skipped = 0;
    for (let i = 0; i < x.length; i++) {
      const value = x[i]!;
      if (value > 0 && value < Number.POSITIVE_INFINITY) above[(value * perWidth) | 0]!++;
      else if (value < 0 && value > Number.NEGATIVE_INFINITY) below[(-value * perWidth) | 0]!++;
      else if (value === 0) zeros++;
      else skipped++;
    }
    this.zeros += zeros;
    this.count += x.length - skipped;
  }

  /** Counts what another histogram has seen. Both must have as many bins. */
  absorb(other: Histogram): void {
    this.lo = Math.min(this.lo, other.lo);
    this.hi = Math.max(this.hi, other.hi);
    this.#widen(other.#exponent);
    const shift = 2 ** (this.#exponent - other.#exponent);
    for (let i = 0; i < this.bins; i++) {
      const into = Math.floor(i / shift);
      this.above[into]! += other.above[i]!;
      this.below[into]! += other.below[i]!;
    }
    this.zeros += other.zeros;
    this.count += other.count;
  }

  /**
   * The values that `tail` of all values lie beyond, on each side (0 to 1): straight lines within a bin.
   * A tail of 0 is the range itself.
   */
  quantiles(tail: number): Range {
    return {
      lo: Math.max(this.lo, -this.#edge(this.below, this.above, tail)),
      hi: Math.min(this.hi, this.#edge(this.above, this.below, tail)),
    };
  }

  /** The least x ≥ −reach such that at most `tail` of all values lie above it; `near` holds the values on x's side. */
  #edge(near: Float64Array, far: Float64Array, tail: number): number {
    let left = tail * this.count;
    for (let i = this.bins - 1; i >= 0; i--) {
      const here = near[i]!;
      if (here > left) return (i + 1 - left / here) * this.width;
      left -= here;
    }
    if (this.zeros > left) return 0;
    left -= this.zeros;
    for (let i = 0; i < this.bins; i++) {
      const here = far[i]!;
      if (here > left) return -(i + left / here) * this.width;
      left -= here;
    }
    return 0;
  }

  /** Both sides added up: how often each |x| was seen; zeros are left out. */
  magnitudes(): Float64Array {
    return this.above.map((n, i) => n + this.below[i]!);
  }

  #widen(exponent: number): void {
    if (exponent <= this.#exponent) return;
    const shift = 2 ** (exponent - this.#exponent);
    this.#exponent = exponent;
    for (const side of [this.above, this.below]) {
      for (let i = 0; i < this.bins; i++) {
        const n = side[i]!;
        if (n === 0) continue;
        side[i] = 0;
        side[Math.floor(i / shift)]! += n;
      }
    }
  }
}

/** The least e such that max / 2^e lies within the bins. */
function exponentFor(most: number, bins: number): number {
  let exponent = Math.max(LEAST_EXPONENT, Math.floor(Math.log2(most / bins)) - 1);
  while (most / 2 ** exponent >= bins) exponent++;
  return exponent;
}
