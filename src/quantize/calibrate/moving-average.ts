import { join, NOTHING, type Range, rangeOf } from '../range.ts';
import type { Calibrator } from './calibrator.ts';

const BATCH = 32;

/**
 * An exponential average of the batches' extremes: one odd batch moves the range by a share of its excess only.
 *
 *   m ← momentum · m + (1 − momentum) · extreme of the batch        the first batch sets m
 *
 * Batches whose weight has sunk below the rounding of a number (349 batches ago, at 0.9) are forgotten. `parts` of a batch are shown one by one, where
 * the model takes no more at a time (default 1): averages of single samples would cut off what is rare.
 * Source   Jacob et al. 2018, arXiv:1712.05877, section 3.1.
 */
export const movingAverage = ({ momentum = 0.9, parts = 1 } = {}): Calibrator<Range[]> => {
  const most = Math.max(1, Math.ceil(Math.log(Number.EPSILON / 2) / Math.log(momentum)));
  const forget = (seen: Range[]): void => {
    seen.splice(0, parts * Math.max(0, Math.ceil(seen.length / parts) - most));
  };
  return {
    name: `moving-average ${momentum}`,
    endsOnly: true,
    batch: BATCH,
    inParts: (samples) => movingAverage({ momentum, parts: Math.max(1, Math.round(BATCH / samples)) }),
    start: () => [],
    see: (seen, x) => {
      if (x.length > 0) seen.push(rangeOf(x));
      forget(seen);
    },
    merge: (into, from) => {
      into.push(...from);
      forget(into);
    },
    range: (seen) => {
      const batches: Range[] = [];
      for (let at = 0; at < seen.length; at += parts) batches.push(seen.slice(at, at + parts).reduce(join));
      const [first = NOTHING, ...rest] = batches;
      return rest.reduce(
        (m, now) => ({
          lo: momentum * m.lo + (1 - momentum) * now.lo,
          hi: momentum * m.hi + (1 - momentum) * now.hi,
        }),
        first,
      );
    },
  };
};
