/** The schedules that --schedule names, in epochs: how each is made of a peak rate and the length of the run. */

import { type Rate, schedules, warmUp } from '../src/train/schedule/index.ts';
import type { Call, OptionValue } from './call.ts';

interface Run {
  readonly lr: number;
  readonly epochs: number;
  /** Of the whole run. */
  readonly steps: number;
}
type Options = Readonly<Record<string, OptionValue>>;
interface Row {
  readonly options: readonly string[];
  readonly make: (run: Run, options: Options) => Rate;
}

const numbersOf = (value: OptionValue | undefined): readonly number[] =>
  value === undefined ? [] : ([value].flat() as number[]);
const stepsOf = (value: OptionValue | undefined, { epochs, steps }: Run, otherwise: number): number =>
  Math.max(1, Math.round(((value as number | undefined) ?? otherwise) * (steps / epochs)));

const ROWS = {
  constant: { options: [], make: ({ lr }) => lr },
  cosine: { options: ['floor'], make: ({ lr, steps }, options) => schedules.cosine(lr, steps, options) },
  'cosine-restarts': {
    options: ['first', 'growth', 'floor'],
    make: (run, { first, ...options }) =>
      schedules['cosine-restarts'](run.lr, stepsOf(first, run, run.epochs / 3), options),
  },
  'one-cycle': {
    options: ['rise', 'startDivisor', 'endDivisor', 'shape'],
    make: ({ lr, steps }, options) => schedules['one-cycle'](lr, steps, options),
  },
  step: {
    options: ['every', 'factor'],
    make: (run, { every, ...options }) =>
      schedules.step(run.lr, { every: stepsOf(every, run, run.epochs / 3), ...options }),
  },
  'multi-step': {
    options: ['at', 'factor'],
    make: (run, { at, ...options }) =>
      schedules['multi-step'](run.lr, {
        milestones: (numbersOf(at).length ? numbersOf(at) : [run.epochs / 2, (3 * run.epochs) / 4]).map((epoch) =>
          stepsOf(epoch, run, 0),
        ),
        ...options,
      }),
  },
  exponential: {
    options: ['factor'],
    make: ({ lr, epochs, steps }, { factor = 0.9 }) =>
      schedules.exponential(lr, { factor: factor as number, every: steps / epochs }),
  },
  polynomial: {
    options: ['power', 'floor'],
    make: ({ lr, steps }, options) => schedules.polynomial(lr, steps, options),
  },
  /** The rate answers to the validation metric; see `plateau` in the options of `fit`. */
  plateau: { options: ['factor', 'patience', 'threshold', 'cooldown', 'floor'], make: ({ lr }) => lr },
} as const satisfies Record<string, Row>;

export type RateName = keyof typeof ROWS;

/** Names and options, for the flag; lengths of time are in epochs. */
export const RATES = Object.fromEntries(
  Object.entries(ROWS).map(([name, { options }]) => [name, options]),
) as unknown as Readonly<Record<RateName, readonly string[]>>;

/** The rate of a run, after `warmEpochs` in which it grows from 0. */
export function rateOf({ name, options }: Call<RateName>, run: Run, warmEpochs: number): Rate {
  const warm = Math.round(warmEpochs * (run.steps / run.epochs));
  const rest = { ...run, steps: Math.max(1, run.steps - warm), epochs: Math.max(run.epochs - warmEpochs, 1e-9) };
  const then = (ROWS[name] as Row).make(warm > 0 ? rest : run, options);
  return warm > 0 ? warmUp(then, warm) : then;
}
