/** Rules that prove themselves: outputs before and after are compared, and a rule that changes them is taken back. */

import type { Model } from '../graph/model.ts';
import type { Tensor } from '../graph/tensor.ts';
import { applyRules, type RewriteReport } from './apply.ts';
import { doubles, isCalculable } from './arithmetic.ts';
import type { Rule } from './rule.ts';

export interface CheckOptions {
  /** Runs a model on samples of the caller's choice and gives its outputs by name. */
  run: (model: Model) => Promise<Readonly<Record<string, Tensor>>>;
  /** Largest difference allowed, over the largest magnitude of that output. Default: `toleranceOf` the model. */
  tolerance?: number;
}

export interface Checked {
  readonly model: Model;
  readonly report: RewriteReport;
  /** Largest difference of an output, over its largest magnitude. */
  readonly relativeError: number;
  /** Rules that changed the outputs too much, each with its relative error; none of what they did is in the model. */
  readonly reverted: readonly { readonly rule: string; readonly relativeError: number }[];
}

/** What rounding may move an output by, as a share of its largest: 1e-4, or two steps of the 16-bit floats that hold the weights. */
export function toleranceOf({ graph }: Model): number {
  const dtypes = new Set([...graph.initializers.values()].map(({ dtype }) => dtype));
  return dtypes.has('bfloat16') ? 2 ** -6 : dtypes.has('float16') ? 2 ** -9 : 1e-4;
}

/** As `applyRules`, then checked on samples. All rules run at once; one by one only when that fails. */
export async function applyChecked(
  model: Model,
  rules: readonly Rule[],
  { run, tolerance = toleranceOf(model) }: CheckOptions,
): Promise<Checked> {
  const expected = await run(model);
  const attempt = async (chosen: readonly Rule[]): Promise<Checked> => {
    const { model: now, report } = applyRules(model, chosen);
    const relativeError = report.fired.length === 0 ? 0 : difference(await run(now), expected);
    return { model: now, report, relativeError, reverted: [] };
  };
  const all = await attempt(rules);
  if (all.relativeError <= tolerance) return all;
  const reverted: { rule: string; relativeError: number }[] = [];
  let kept: Rule[] = [];
  let best = await attempt([]);
  for (const rule of rules) {
    const tried = await attempt([...kept, rule]);
    if (tried.relativeError <= tolerance) {
      kept = [...kept, rule];
      best = tried;
    } else reverted.push({ rule: rule.name, relativeError: tried.relativeError });
  }
  return { ...best, reverted };
}

/**
 * The largest difference of any output, over the largest magnitude of that output; infinite where shapes differ or
 * only one side is a number. Outputs that are no floats must be equal.
 */
export function difference(got: Readonly<Record<string, Tensor>>, expected: Readonly<Record<string, Tensor>>): number {
  let worst = 0;
  for (const [name, before] of Object.entries(expected)) {
    const now = got[name];
    if (!now || now.dtype !== before.dtype || `${now.dims}` !== `${before.dims}`) return Number.POSITIVE_INFINITY;
    if (!isCalculable(before)) {
      const isEqual = before.strings
        ? before.strings.every((text, i) => text === now.strings?.[i])
        : before.bytes.every((byte, i) => byte === now.bytes[i]);
      if (!isEqual) return Number.POSITIVE_INFINITY;
      continue;
    }
    const [a, b] = [doubles(now), doubles(before)];
    let scale = 0;
    let apart = 0;
    for (let i = 0; i < b.length; i++) {
      if (Object.is(a[i], b[i])) continue;
      apart = Math.max(apart, Math.abs(a[i]! - b[i]!));
      if (Number.isNaN(a[i]! - b[i]!)) return Number.POSITIVE_INFINITY;
    }
    for (const value of b) if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value));
    worst = Math.max(worst, apart / Math.max(scale, Number.MIN_VALUE));
  }
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst;
}
