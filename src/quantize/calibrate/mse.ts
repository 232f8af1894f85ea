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
    const { above, below, width, count } = seen;
    const sides: Sides = { above, below, width, count };
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

/** A histogram's counts, taken once. */
type Sides = Pick<Histogram, 'above' | 'below' | 'width' | 'count'>;

/**
 * Mean squared error of the u8 grid over this range, as far as it depends on the range: rounding costs s²/12 within, and
 * the squared distance to the end without.
 */
function squaredError(seen: Sides, range: Range): number {
  const { scale, zeroPoint } = gridOf(range);
  const hi = (255.5 - zeroPoint) * scale;
  const lo = (-0.5 - zeroPoint) * scale;
  const rounding = (scale * scale) / 12;
  let sum = 0;
  const side = (counts: Float64Array, edge: number): void => {
    const { width } = seen;
    const end = edge - scale / 2;
    for (let i = 0; i < counts.length; i++) {
      const n = counts[i]!;
      if (n === 0) continue;
      const x = (i + 0.5) * width;
      const over = x - end;
      sum += n * (x > edge ? over * over : rounding);
    }
  };
  side(seen.above, hi);
  side(seen.below, -lo);
  return seen.count === 0 ? 0 : sum / seen.count;
}
