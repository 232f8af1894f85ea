/**
 * How often values of each size were seen, in memory that does not grow.
 *
 * Widths are powers of two and only ever double, so the order of adding and merging cannot matter: x falls into bin
 * floor(x / w), and two neighbours of width w are exactly one of width 2w. Zeros (most of what a ReLU gives) are counted
 * by themselves.
 */

import { type Counter, openCounter } from './counting.ts';
import { type Range, rangeOf } from './range.ts';

/** Exponents below this would make a width that is no normal float64. */
const LEAST_EXPONENT = -1000;
/** Exponents below this would make 1 / width more than a float32 holds. */
const LEAST_COUNTED = -126;
/** Of fewer values the loop is quicker than what goes before and after the counter. */
const MANY = 2 ** 14;

/** By bins: compiled once, empty between calls. */
const counters = new Map<number, Counter>();

export class Histogram {
  /** Bins on each side of 0. */
  readonly bins: number;
  /** Those that were exactly 0. */
  zeros = 0;
  /** The least and the largest value seen: exact. */
  lo = Number.POSITIVE_INFINITY;
  hi = Number.NEGATIVE_INFINITY;
  /** Bin i holds floor(x / width) = i − bins. */
  readonly #counts: Float64Array;
  #exponent = LEAST_EXPONENT;

  constructor(bins = 2048) {
    this.bins = bins;
    this.#counts = new Float64Array(2 * bins);
  }

  /** Values seen, zeros included. */
  get count(): number {
    return this.#counts.reduce((a, b) => a + b, this.zeros);
  }

  /** Width of a bin. */
  get width(): number {
    return 2 ** this.#exponent;
  }

  /** Counts of values above 0: entry i for i·width to (i + 1)·width. */
  get above(): Float64Array {
    return this.#counts.slice(this.bins);
  }

  /** Counts of values below 0: entry i for −i·width to −(i + 1)·width. */
  get below(): Float64Array {
    return this.#counts.slice(0, this.bins).reverse();
  }

  /** Counts these values; NaN and infinite ones are not counted, the latter stretch `lo` and `hi`. */
  add(x: ArrayLike<number>): void {
    if (x instanceof Float32Array && x.length >= MANY) this.#addMany(x);
    else this.#addFew(x);
  }

  #addMany(x: Float32Array): void {
    const counter = counters.get(this.bins) ?? openCounter(this.bins);
    counters.set(this.bins, counter);
    for (let at = 0; at < x.length; at += counter.most) {
      const some = x.subarray(at, at + counter.most);
      const { lo, hi } = counter.hold(some);
      const most = Math.max(-lo, hi);
      const exponent = most > 0 ? exponentFor(most, this.bins) : this.#exponent;
      if (!Number.isFinite(most) || exponent < LEAST_COUNTED) {
        counter.empty(this.#counts);
        this.#addFew(some);
        continue;
      }
      if (exponent > this.#exponent) {
        counter.empty(this.#counts);
        this.#widen(exponent);
      }
      this.lo = Math.min(this.lo, lo);
      this.hi = Math.max(this.hi, hi);
      const zeros = counter.count(1 / this.width);
      this.#counts[this.bins]! -= zeros;
      this.zeros += zeros;
    }
    counter.empty(this.#counts);
  }

  #addFew(x: ArrayLike<number>): void {
    const { lo, hi } = rangeOf(x);
    if (lo > hi) return;
    this.lo = Math.min(this.lo, lo);
    this.hi = Math.max(this.hi, hi);
    const values = Number.isFinite(hi - lo) ? x : Array.from(x).filter(Number.isFinite);
    const inside = values === x ? { lo, hi } : rangeOf(values);
    const most = Math.max(-inside.lo, inside.hi);
    if (most > 0) this.#widen(exponentFor(most, this.bins));
    // NaN is no index, and writing there does nothing.
    const counts = this.#counts;
    const { bins } = this;
    const perWidth = 1 / this.width;
    let zeros = 0;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      counts[Math.floor(value * perWidth) + bins]!++;
      zeros += value === 0 ? 1 : 0;
    }
    counts[bins]! -= zeros;
    this.zeros += zeros;
  }

  /** Counts what another histogram has seen. Both must have as many bins. */
  absorb(other: Histogram): void {
    this.lo = Math.min(this.lo, other.lo);
    this.hi = Math.max(this.hi, other.hi);
    this.#widen(other.#exponent);
    const shift = 2 ** (this.#exponent - other.#exponent);
    other.#counts.forEach((n, i) => {
      if (n > 0) this.#counts[Math.floor((i - this.bins) / shift) + this.bins]! += n;
    });
    this.zeros += other.zeros;
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
    const { below } = this;
    return this.above.map((n, i) => n + below[i]!);
  }

  #widen(exponent: number): void {
    if (exponent <= this.#exponent) return;
    const shift = 2 ** (exponent - this.#exponent);
    this.#exponent = exponent;
    const old = this.#counts.slice();
    this.#counts.fill(0);
    old.forEach((n, i) => {
      if (n > 0) this.#counts[Math.floor((i - this.bins) / shift) + this.bins]! += n;
    });
  }
}

/** The least e such that max / 2^e lies within the bins. */
function exponentFor(most: number, bins: number): number {
  let exponent = Math.max(LEAST_EXPONENT, Math.floor(Math.log2(most / bins)) - 1);
  while (most / 2 ** exponent >= bins) exponent++;
  return exponent;
}
