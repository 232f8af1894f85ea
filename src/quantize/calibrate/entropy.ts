import { Histogram } from '../histogram.ts';
import type { Calibrator } from './calibrator.ts';

/** Candidates are this many bins apart. */
const STEP = 4;
/**
 * The share of Σ x² that may be cut off. Of values that lie nearly all about 0 (the gates of squeeze-and-excitation), information is kept by fine steps
 * there, and the few that count are lost.
 */
const MOST_CUT = 0.01;

/**
 * The threshold on |x| that loses the least information:  argmin over t of  KL(P ‖ Q)
 *
 *   P   the histogram of |x| up to t, what lies beyond added to the last bin
 *   Q   the same without the excess, merged into the levels that the integers have, spread over the bins that are not empty
 *
 * Levels   128 for values of both signs, 255 for values of one sign; the histogram has 2048 bins a side, so there are at
 *          least 769 candidates. Zeros are left out: they are exact on any grid.
 * Source   Migacz 2017, "8-bit inference with TensorRT", GTC.
 */
export const entropy = ({ bins = 2048 } = {}): Calibrator<Histogram> => ({
  name: 'entropy',
  start: () => new Histogram(bins),
  see: (seen, x) => seen.add(x),
  merge: (into, from) => into.absorb(from),
  range: (seen) => {
    const levels = seen.lo >= 0 || seen.hi <= 0 ? 255 : 128;
    const edge = thresholdOf(seen.magnitudes(), levels) * seen.width;
    return { lo: Math.max(seen.lo, -edge), hi: Math.min(seen.hi, edge) };
  },
});

/** The number of bins below the best threshold. */
export function thresholdOf(counts: Float64Array, levels: number): number {
  let used = counts.length;
  while (used > 0 && counts[used - 1] === 0) used--;
  if (used <= levels) return used;
  const beyond = new Float64Array(used + 1); // beyond[i]: values in bin i or above
  for (let i = used - 1; i >= 0; i--) beyond[i] = beyond[i + 1]! + counts[i]!;
  const cut = cutOff(counts.subarray(0, used));
  let best = used;
  let least = Number.POSITIVE_INFINITY;
  for (let bins = used; bins >= levels; bins -= STEP) {
    if (cut[bins]! > MOST_CUT) break;
    const loss = divergence(counts, bins, beyond[bins]!, levels);
    if (loss < least) [best, least] = [bins, loss];
  }
  return best;
}

/** By the number of bins below a threshold t: Σ (|x| − t)² of what lies beyond it, over Σ x². */
function cutOff(counts: Float64Array): Float64Array {
  const cut = new Float64Array(counts.length + 1);
  let [sum, weighted, squares] = [0, 0, 0];
  for (let i = counts.length - 1; i >= 0; i--) {
    const x = i + 0.5;
    sum += counts[i]!;
    weighted += counts[i]! * x;
    squares += counts[i]! * x * x;
    cut[i] = squares - 2 * i * weighted + i * i * sum;
  }
  return cut.map((value) => value / squares);
}

/** KL(P ‖ Q) for a threshold after `bins` bins; `excess` values lie beyond it. */
function divergence(counts: Float64Array, bins: number, excess: number, levels: number): number {
  let inside = 0;
  for (let i = 0; i < bins; i++) inside += counts[i]!;
  const total = inside + excess;
  if (inside === 0) return Number.POSITIVE_INFINITY;
  let loss = 0;
  for (let level = 0; level < levels; level++) {
    const from = Math.floor((level * bins) / levels);
    const to = level === levels - 1 ? bins : Math.floor(((level + 1) * bins) / levels);
    let sum = 0;
    let filled = 0;
    for (let i = from; i < to; i++) {
      sum += counts[i]!;
      if (counts[i]! > 0) filled++;
    }
    for (let i = from; i < to; i++) {
      const p = (counts[i]! + (i === bins - 1 ? excess : 0)) / total;
      if (p === 0) continue;
      // The excess can fall into a bin that Q leaves empty; a small floor stands for the logarithm of nothing.
      const q = counts[i]! > 0 ? sum / filled / inside : 1e-9;
      loss += p * Math.log(p / q);
    }
  }
  return loss;
}
