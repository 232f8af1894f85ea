/**
 * A recipe as JSON: what to do to a model, in order. People edit it, `pare run` does it again.
 *
 *   { "format": "pare-recipe 1", "seed": 0, "steps": [{ "step": "prune", "keepMacs": 0.5 }, { "step": "simplify" }] }
 */

import { PareError } from '../base/error.ts';
import { nearest, pick } from '../base/suggest.ts';
import { type StepName, steps } from './step/index.ts';
import { readOptions, type Step } from './step.ts';

/** One step by name, with the options that are not at their default. */
export interface StepCall {
  readonly step: StepName;
  readonly [option: string]: unknown;
}

export interface Recipe {
  /** All randomness derives from it. Default 0. */
  readonly seed: number;
  readonly steps: readonly StepCall[];
  /** The model's file, as seen from the recipe's, and its SHA-256. */
  readonly model?: { readonly file: string; readonly sha256: string } | undefined;
  /** The data flags of the command line by name: `{ "data": "cifar10" }`. */
  readonly flags?: Readonly<Record<string, unknown>> | undefined;
  /** Threads it was found with: other numbers give other last digits. */
  readonly threads?: number | undefined;
}

export const RECIPE_FORMAT = 'pare-recipe 1';
const ENTRIES: readonly string[] = ['format', 'seed', 'threads', 'model', 'flags', 'steps'];

/** The step and its options, all filled in. */
export function stepOf({ step: name, ...given }: StepCall): { step: Step; options: Record<string, unknown> } {
  const step = pick<Step>(steps, name, 'step');
  return { step, options: readOptions(name, step, given) };
}

/**
 * A recipe from its JSON text. Every step and option is checked.
 *
 * Throws   recipe/damaged, recipe/format, recipe/option; option/unknown for a step that does not exist.
 */
export function parseRecipe(text: string, where = 'the recipe'): Recipe {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PareError(
      'recipe/damaged',
      `"${where}" is not JSON: ${cause instanceof Error ? cause.message : cause}.`,
      {
        where,
        cause,
      },
    );
  }
  const entries = isRecord(value) ? value : {};
  const { format, seed = 0, steps: calls, model, flags, threads } = entries;
  if (format !== RECIPE_FORMAT || !Array.isArray(calls)) {
    throw new PareError('recipe/format', `"${where}" does not hold a recipe.`, {
      where,
      expected: `{ "format": "${RECIPE_FORMAT}", "steps": […] }`,
      got: typeof format === 'string' ? format : `no format${Array.isArray(calls) ? '' : ', no steps'}`,
    });
  }
  const odd = Object.keys(entries).find((key) => !ENTRIES.includes(key));
  if (odd !== undefined) {
    const near = nearest(odd, ENTRIES);
    throw new PareError('recipe/option', `A recipe has no entry "${odd}"${near ? `; did you mean "${near}"?` : '.'}`, {
      where,
      expected: ENTRIES.join(', '),
    });
  }
  if (!Number.isSafeInteger(seed) || (seed as number) < 0) {
    throw new PareError('recipe/option', 'The seed of a recipe is a whole number from 0.', { where, got: `${seed}` });
  }
  for (const call of calls) {
    if (isRecord(call) && typeof call['step'] === 'string') stepOf(call as StepCall);
    else
      throw new PareError('recipe/format', 'Every step of a recipe names its method.', {
        where,
        expected: '{ "step": NAME, … }',
        got: JSON.stringify(call),
      });
  }
  return {
    seed: seed as number,
    steps: calls as StepCall[],
    ...(isRecord(model) && { model: model as Recipe['model'] }),
    ...(isRecord(flags) && { flags }),
    ...(typeof threads === 'number' && { threads }),
  };
}

/** As JSON text, one step a line. */
export function recipeJson({ steps: calls, ...rest }: Recipe): string {
  const head = Object.entries({ format: RECIPE_FORMAT, ...rest }).filter(([, value]) => value !== undefined);
  const lines = head.map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},\n`);
  return `{\n${lines.join('')}  "steps": [\n${calls.map((call) => `    ${JSON.stringify(call)}`).join(',\n')}\n  ]\n}\n`;
}

/** One line for people: "prune (keepMacs 0.5) → simplify → quantize". */
export const describeSteps = (calls: readonly StepCall[]): string => calls.map(describeStep).join(' → ') || 'nothing';

const TOLD = new Set(['keepMacs', 'keepParameters', 'epochs', 'as', 'by', 'calibrate', 'optimizer', 'labels', 'also']);

const describeStep = ({ step: name, ...options }: StepCall): string => {
  const told = Object.entries(options).filter(
    ([key, value]) => TOLD.has(key) && value !== steps[name]?.options[key as never]?.['fallback'],
  );
  const show = (value: unknown): string => (typeof value === 'number' ? `${Number(value.toPrecision(3))}` : `${value}`);
  const list = told.map(([key, value]) => `${key} ${show(value)}`);
  const floats = options['exclude'];
  if (Array.isArray(floats) && floats.length > 0) list.push(`${floats.length} float`);
  return list.length > 0 ? `${name} (${list.join(', ')})` : name;
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
