/** The learning rate falls when a measure has stopped getting better. */

export interface PlateauOptions {
  /** What the rate is multiplied with. Default 0.1. */
  factor?: number;
  /** Measurements without a gain that are still forgiven. Default 10. */
  patience?: number;
  /** The least change that counts as a gain. Default 1e-4. */
  threshold?: number;
  /** Whether the threshold is a share of the best value or the change itself. Default 'share'. */
  thresholdOf?: 'share' | 'change';
  /** Measurements after a fall that are not judged. Default 0. */
  cooldown?: number;
  /** The rate never falls below it. Default 0. */
  floor?: number;
  /** Whether less is better (a loss) or more (an accuracy). Default 'less'. */
  better?: 'less' | 'more';
}

/** All that a plateau remembers: a plain record, for checkpoints. `best` is absent before the first measurement. */
export interface PlateauState {
  readonly lr: number;
  readonly best?: number;
  readonly bad: number;
  readonly resting: number;
}

export interface Plateau {
  readonly start: PlateauState;
  /** The state after one more measurement, usually the validation loss of an epoch; pass `state.lr` to the next steps. */
  see(state: PlateauState, measure: number): PlateauState;
}

/**
 * A learning rate that answers to the validation measure, as a fold over measurements.
 *
 * PyTorch's ReduceLROnPlateau. A NaN is never better than what was.
 *
 * @example
 * const { start, see } = plateau(0.1, { patience: 2 });
 * state = see(state, validationLoss);
 * running.step({ lr: state.lr });
 */
export function plateau(
  lr: number,
  {
    factor = 0.1,
    patience = 10,
    threshold = 1e-4,
    thresholdOf = 'share',
    cooldown = 0,
    floor = 0,
    better = 'less',
  }: PlateauOptions = {},
): Plateau {
  const sign = better === 'less' ? -1 : 1;
  const gained = (measure: number, best: number | undefined): boolean => {
    if (best === undefined) return !Number.isNaN(measure);
    const edge = thresholdOf === 'share' ? best * (1 + sign * threshold) : best + sign * threshold;
    return sign * (measure - edge) > 0;
  };
  return {
    start: { lr, bad: 0, resting: 0 },
    see({ lr: now, best, bad, resting }, measure) {
      const gain = gained(measure, best);
      const known = gain ? measure : best;
      const rest = Math.max(0, resting - 1);
      const count = gain || resting > 0 ? 0 : bad + 1;
      const falls = count > patience;
      return {
        lr: falls ? lower(now, Math.max(floor, now * factor)) : now,
        ...(known !== undefined && { best: known }),
        bad: falls ? 0 : count,
        resting: falls ? cooldown : rest,
      };
    },
  };
}

/** A fall too small to matter is none, as in PyTorch. */
const lower = (from: number, to: number): number => (from - to > 1e-8 ? to : from);
