/**
 * How sure a loss is that was measured on the same samples before and after.
 *
 *   b  samples that were right and are wrong now, c  the other way round, n  all
 *   drop = (b − c) / n
 *   interval: every cell of the 2 × 2 table gets half a sample more, then d ± z · √(b' + c' − (b' − c')²/n') / n'
 *
 * Sources  Agresti & Min 2005, "Simple improved confidence intervals for comparing matched proportions", Stat. Med. 24;
 *          McNemar 1947, Psychometrika 12 (exact form: a binomial with p = 1/2).
 */

import { random } from '../base/random.ts';
import { isWithin } from '../base/unit.ts';

export interface Interval {
  readonly low: number;
  readonly high: number;
  /** 0.95, or wider when there was more than one look. */
  readonly confidence: number;
}

/** What changed between two scorings of the same samples. */
export interface Change {
  readonly samples: number;
  /** Right before and wrong now, and the other way round. */
  readonly lost: number;
  readonly won: number;
  readonly interval: Interval;
  /** Chance of so uneven a change if there were no difference: McNemar's exact test, two-sided. */
  readonly pValue: number;
}

/** Of credits (0 or 1, or shares between) by sample. `looks`: how often these samples were looked at (Bonferroni). */
export function changeOf(before: ArrayLike<number>, after: ArrayLike<number>, looks = 1): Change {
  let [lost, won] = [0, 0];
  for (let i = 0; i < before.length; i++) {
    const change = before[i]! - after[i]!;
    if (change > 0) lost += change;
    else won -= change;
  }
  const alpha = 0.05 / looks;
  const z = normalQuantile(1 - alpha / 2);
  const [b, c, n] = [lost + 0.5, won + 0.5, before.length + 2];
  const middle = (b - c) / n;
  const half = (z * Math.sqrt(Math.max(0, b + c - (b - c) ** 2 / n))) / n;
  return {
    samples: before.length,
    lost: Math.round(lost),
    won: Math.round(won),
    interval: { low: middle - half, high: middle + half, confidence: 1 - alpha },
    pValue: mcNemar(Math.round(lost), Math.round(won)),
  };
}

/**
 * The interval of a relative rise of the root mean squared error, by bootstrap over pairs.
 *
 * Source   Efron & Tibshirani 1993, "An introduction to the bootstrap", ch. 13.
 */
export function bootstrapRise(
  before: Float64Array,
  after: Float64Array,
  { looks = 1, rounds = 1000, seed = 0 } = {},
): Interval {
  const draw = random(seed, 'bootstrap');
  const rises = Array.from({ length: rounds }, () => {
    let [old, now] = [0, 0];
    for (let i = 0; i < before.length; i++) {
      const at = draw.integer(before.length);
      old += before[at]!;
      now += after[at]!;
    }
    return Math.sqrt(now / (old || 1)) - 1;
  }).sort((a, b) => a - b);
  const alpha = 0.05 / looks;
  const at = (share: number): number => rises[Math.min(rounds - 1, Math.max(0, Math.floor(share * rounds)))]!;
  return { low: at(alpha / 2), high: at(1 - alpha / 2), confidence: 1 - alpha };
}

/** Samples that would do to show that a drop stays within `maxDrop`, where `changed` of them changed; Infinity where none would. */
export function samplesNeeded(drop: number, changed: number, samples: number, maxDrop: number): number {
  const room = maxDrop - Math.max(0, drop);
  if (room <= 0) return Number.POSITIVE_INFINITY;
  const share = Math.max(changed, 1) / Math.max(1, samples);
  return Math.ceil(Math.max((1.96 ** 2 * share) / room ** 2, 4 / room));
}

/** May a share of changed samples be within `most`, as far as so many samples tell: is it beyond by no more than a standard error? */
export function mayBeWithin(share: number, most: number, samples: number): boolean {
  const error = share > 0 && share < 1 && samples > 0 ? Math.sqrt((share * (1 - share)) / samples) : 0;
  return isWithin(share, most + error);
}

/** P(|X − n/2| ≥ |b − n/2|) of X ~ Binomial(b + c, 1/2). */
function mcNemar(b: number, c: number): number {
  const n = b + c;
  if (n === 0) return 1;
  const most = Math.min(b, c);
  let term = -n * Math.LN2; // log of C(n, 0) / 2^n
  let sum = 0;
  for (let k = 0; k <= most; k++) {
    sum += Math.exp(term);
    term += Math.log((n - k) / (k + 1));
  }
  return Math.min(1, 2 * sum);
}

/**
 * The standard normal quantile, good to 1e-9.
 *
 * Bisection on the distribution function: nothing to get wrong.
 */
export function normalQuantile(p: number): number {
  let [low, high] = [-10, 10];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (normalCdf(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Φ(x) = 1/2 + φ(x) · (x + x³/3 + x⁵/15 + …): Marsaglia 2004, J. Stat. Softw. 11. */
function normalCdf(x: number): number {
  if (Math.abs(x) > 8) return x > 0 ? 1 : 0;
  let [sum, term] = [x, x];
  for (let i = 3; Math.abs(term) > 1e-17 && i < 400; i += 2) {
    term *= (x * x) / i;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}
