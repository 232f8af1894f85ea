/** A step of a recipe: one method with its options, from a model to a model. */

import { PareError } from '../base/error.ts';
import { nearest } from '../base/suggest.ts';
import type { Dataset } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';
import type { Answers } from './answers.ts';
import type { Options, ValuesOf } from './option.ts';

/** What steps have at hand besides the model. */
export interface Bench {
  /** The teacher: the model that the recipe began with, or what a step that teaches made of it. */
  readonly original: Model;
  /** Samples to learn from and to calibrate on; absent where there are none, or only random ones. */
  readonly learn?: Dataset | undefined;
  /** What the original answers to samples of `learn`; absent: it is asked anew each time. */
  readonly answers?: Answers | undefined;
  /** Samples that say which epoch was best. */
  readonly validation?: Dataset | undefined;
}

export interface StepResult {
  readonly model: Model;
  /** What the step decided where nobody had told it: written into the recipe, so that a replay decides alike. */
  readonly settled?: Readonly<Record<string, unknown>>;
  /** What a reader should know of it, for people. */
  readonly notes?: readonly string[];
}

export interface StepSpec<O extends Options> {
  readonly about: string;
  readonly options: O;
  /** Does it look at samples? Then it is left out where there are none. */
  readonly needsSamples: boolean;
  /** Is what it makes the teacher of the steps that follow? Default false. */
  readonly teaches?: boolean;
  readonly run: (model: Model, options: ValuesOf<O>, bench: Bench, lab: Lab) => Promise<StepResult>;
}

/** A step with the types of its options erased. */
export type Step = Omit<StepSpec<Options>, 'run'> & {
  readonly run: (
    model: Model,
    options: Readonly<Record<string, unknown>>,
    bench: Bench,
    lab: Lab,
  ) => Promise<StepResult>;
};

/** Declares a step; its options type what `run` receives. */
export const step = <O extends Options>({ run, ...rest }: StepSpec<O>): Step => ({ ...rest, run: run as Step['run'] });

/**
 * The values of a step's options, as a recipe gives them, with what it leaves out filled in.
 *
 * Throws   recipe/option for an option that the step does not have, with the nearest, or a value that does not fit.
 */
export function readOptions(name: string, { options }: Step, given: Readonly<Record<string, unknown>>) {
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(options, key)) continue;
    const near = nearest(key, Object.keys(options));
    throw new PareError(
      'recipe/option',
      `"${name}" has no option "${key}"${near ? `; did you mean "${near}"?` : '.'}`,
      {
        where: `${name}.${key}`,
        expected: Object.keys(options).join(', ') || 'no options',
      },
    );
  }
  return Object.fromEntries(
    Object.entries(options).map(([key, { fallback, read }]) => [
      key,
      given[key] === undefined ? fallback : read(given[key], `${name}.${key}`),
    ]),
  );
}
