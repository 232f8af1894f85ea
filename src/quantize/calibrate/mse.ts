import { gridOf } from '../grid.ts';
import { Histogram } from '../histogram.ts';
import type { Range } from '../range.ts';
import type { Calibrator } from './calibrator.ts';

/** Shares of the full range that are tried at either end, from 1 downward. */
const STEPS = 64;
const SHARES = Array.from({ length: STEPS }, (_, i) => 1 - i / STEPS);
/** Rounds of moving one end, then the other. */
const ROUNDS = 3;

/**
 * The range whose u8 grid has the least mean squared error on what was seen: what is clipped against what is rounded.
 *
 * Both ends are moved in turn over 64 shares of the range seen, until neither moves.
 * Source   Banner et al. 2019, arXiv:1810.05723, section 3 (there in closed form for Gauss and Laplace).
 */
export const mse = ({ bins = 2048 } = {}): Calibrator<Histogram> => ({
  name: 'mse',
  start: () => new Histogram(bins),
  see: (seen, x) => seen.add(x),
  merge: (into, from) => into.absorb(from),
  range: (seen) => {
    const full: Range = { lo: Math.min(0, seen.lo), hi: Math.max(0, seen.hi) };
    if (!Number.isFinite(full.lo) || !Number.isFinite(full.hi)) return { lo: seen.lo, hi: seen.hi };
    const sides: Sides = { above: sumsOf(seen.above), below: sumsOf(seen.below), width: seen.width };
    let best = full;
    for (let round = 0; round < ROUNDS; round++) {
      const before = best;
      if (full.hi > 0)
        best = least(
          sides,
          SHARES.map((share) => ({ lo: best.lo, hi: full.hi * share })),
          best,
        );
      if (full.lo < 0)
        best = least(
          sides,
          SHARES.map((share) => ({ lo: full.lo * share, hi: best.hi })),
          best,
        );
      if (before.lo === best.lo && before.hi === best.hi) break;
    }
    return best;
  },
});

function least(seen: Sides, candidates: readonly Range[], start: Range): Range {
  let best = start;
  let error = squaredError(seen, start);
  for (const candidate of candidates) {
    const now = squaredError(seen, candidate);
    if (now < error) [best, error] = [candidate, now];
  }
  return best;
}

/** Of a histogram's side, and of what lies in bin i or further out: how many there are, and their Σ x and Σ x² in widths of a bin. */
interface Sums {
  readonly counts: Float64Array;
  readonly first: Float64Array;
  readonly second: Float64Array;
}

interface Sides {
  readonly above: Sums;
  readonly below: Sums;
  readonly width: number;
}

function sumsOf(bins: Float64Array): Sums {
  const [counts, first, second] = [0, 1, 2].map(() => new Float64Array(bins.length + 1)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  for (let i = bins.length - 1; i >= 0; i--) {
    const [n, x] = [bins[i]!, i + 0.5];
    counts[i] = counts[i + 1]! + n;
    first[i] = first[i + 1]! + n * x;
    second[i] = second[i + 1]! + n * x * x;
  }
  return { counts, first, second };
}

/**
 * Summed squared error of the u8 grid over this range, as far as it depends on the range: rounding costs s²/12 within, and
 * the squared distance to the end without.
 */
function squaredError({ above, below, width }: Sides, range: Range): number {
  const { scale, zeroPoint } = gridOf(range);
  const side = ({ counts, first, second }: Sums, edge: number): number => {
    // Bins whose middle lies beyond the edge.
    const from = Math.min(counts.length - 1, Math.max(0, Math.floor(edge / width + 0.5)));
    const end = (edge - scale / 2) / width;
    const without = second[from]! - 2 * end * first[from]! + end * end * counts[from]!;
    return ((counts[0]! - counts[from]!) * scale * scale) / 12 + without * width * width;
  };
  return side(above, (255.5 - zeroPoint) * scale) + side(below, (zeroPoint + 0.5) * scale);
}
