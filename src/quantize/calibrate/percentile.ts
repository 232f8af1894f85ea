import { Histogram } from '../histogram.ts';
import type { Calibrator } from './calibrator.ts';

/**
 * Clips the rarest values: `keep` is the share of all values seen that stays inside the range.
 * What is cut is shared between both ends; a range that starts at 0 is cut at the top only.
 */
export const percentile = ({ keep = 0.9999 } = {}): Calibrator<Histogram> => ({
  name: `percentile ${keep}`,
  start: () => new Histogram(),
  see: (seen, x) => seen.add(x),
  merge: (into, from) => into.absorb(from),
  range: (seen) => {
    const oneSided = seen.lo >= 0 || seen.hi <= 0;
    return seen.quantiles(oneSided ? 1 - keep : (1 - keep) / 2);
  },
});
