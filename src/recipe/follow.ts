/** Does what a recipe says, step by step. */

import type { Model } from '../graph/model.ts';
import { type Lab, stopIfAborted } from '../runtime/index.ts';
import { answersOf } from './answers.ts';
import { type StepCall, stepOf } from './recipe.ts';
import type { Bench } from './step.ts';

export interface Followed {
  readonly model: Model;
  /** The call with what the step decided for itself. */
  readonly call: StepCall;
  readonly notes: readonly string[];
}

/** One step. Throws what its method throws; recipe/data when it needs samples and there are none. */
export async function followStep(model: Model, call: StepCall, bench: Bench, lab: Lab): Promise<Followed> {
  stopIfAborted(lab.signal);
  const { step, options } = stepOf(call);
  const { model: made, settled, notes = [] } = await step.run(model, options, bench, lab);
  return { model: made, call: { ...call, ...settled }, notes };
}

/** The bench of the steps behind one that teaches. */
export const taughtBy = (teacher: Model, bench: Bench): Bench => ({
  ...bench,
  original: teacher,
  answers: answersOf(teacher),
});

/**
 * All steps. The same model, samples, seed and thread count give the same bytes.
 *
 * @example
 * const small = await follow(model, recipe.steps, { original: model, learn }, lab);
 */
export async function follow(model: Model, calls: readonly StepCall[], bench: Bench, lab: Lab): Promise<Model> {
  let [now, at] = [model, bench];
  for (const [i, call] of calls.entries()) {
    ({ model: now } = await followStep(now, call, at, lab));
    if (stepOf(call).step.teaches) at = taughtBy(now, bench);
    lab.onProgress?.({ task: 'recipe', done: i + 1, total: calls.length });
  }
  return now;
}
