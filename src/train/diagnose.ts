/** Where a loss stopped being a number: the batch, the weights, or the first node whose result is not finite. */

import { PareError } from '../base/error.ts';
import { expand, OWN_DOMAIN } from '../grad/expand.ts';
import { isStatic } from '../graph/dim.ts';
import type { TypedArray } from '../graph/dtype.ts';
import { removeDead } from '../graph/edit.ts';
import type { Model, Node } from '../graph/model.ts';
import { elements, type Tensor, tensor } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { infer } from '../ops/infer.ts';
import { STEP } from '../ops/random-uniform.ts';
import type { Lab } from '../runtime/index.ts';
import type { Loss } from './loss/loss.ts';
import type { Arena } from './optim/arena.ts';
import { engineBytes, type StepGraph, withLoss, withStatedOutputs } from './program.ts';

export interface Scene {
  readonly model: Model;
  readonly loss: Loss;
  readonly batch: number;
  readonly step: StepGraph;
  readonly arena: Arena;
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly feeds: Readonly<Record<string, TypedArray>>;
}

export interface Place {
  readonly epoch: number;
  readonly update: number;
  readonly samples: ArrayLike<number>;
  /** What random masks depended on. */
  readonly step: number;
}

/** The error that tells what went wrong at a step: code train/diverged, or data/number where the samples themselves are no numbers. */
export async function diagnose(scene: Scene, place: Place, lab: Lab): Promise<PareError> {
  const { epoch, update, samples } = place;
  const fed = badFeed(scene, samples);
  const { where, got, hint } = fed ??
    badWeight(scene) ??
    (await badNode(scene, place.step, lab).catch(() => undefined)) ?? {
      where: 'the loss',
      got: 'no finite number',
      hint: 'a smaller learning rate, or gradient clipping',
    };
  return new PareError(
    fed ? 'data/number' : 'train/diverged',
    `The loss is no longer a number in epoch ${epoch + 1}, step ${update + 1}.`,
    {
      where,
      expected: 'finite numbers',
      got,
      hint,
    },
  );
}

interface Finding {
  readonly where: string;
  readonly got: string;
  readonly hint: string;
}

const isFloats = (values: TypedArray): values is Float32Array => values instanceof Float32Array;
const firstBad = (values: Float32Array): number => values.findIndex((x) => !Number.isFinite(x));

function badFeed({ feeds, batch }: Scene, samples: ArrayLike<number>): Finding | undefined {
  for (const [name, values] of Object.entries(feeds)) {
    const at = isFloats(values) ? firstBad(values) : -1;
    if (at < 0) continue;
    const sample = samples[Math.floor(at / (values.length / batch))];
    return {
      where: `column "${name}", sample ${sample}`,
      got: `${values[at]}`,
      hint: 'clean the data: fill or drop what is missing',
    };
  }
  return undefined;
}

function badWeight({ weights }: Scene): Finding | undefined {
  for (const [name, t] of weights) {
    const values = elements(t) as Float32Array;
    const at = firstBad(values);
    if (at < 0) continue;
    return {
      where: `weight "${name}", after the update before this one`,
      got: `${values[at]} at ${at}`,
      hint: 'a smaller learning rate, a warm-up, or gradient clipping (clipNorm: 1)',
    };
  }
  return undefined;
}

/** Advice by what the node computes: where its function leaves the finite numbers. */
const ADVICE: Readonly<Record<string, string>> = {
  Log: 'keep its input above 0: give the loss logits, or add a small number',
  Div: 'keep its divisor away from 0',
  Sqrt: 'keep its input above 0: add a small number',
  Pow: 'keep its base above 0, or its exponent whole',
  Exp: 'keep its input below 88',
};

/** Runs the forward graph on this batch with one flag per float value: Σ 0 · x is 0, or NaN when some x is not finite. */
async function badNode(
  { step, loss, batch, weights, feeds }: Scene,
  stepNumber: number,
  lab: Lab,
): Promise<Finding | undefined> {
  const { graph: forward } = withLoss(step.form.graph, loss, batch);
  const whole = expand(forward, infer(forward), ({ domain }) => domain === OWN_DOMAIN);
  const facts = infer(whole);
  const building = draft(whole, facts);
  const flags = new Map<string, { node: Node; value: string }>();
  for (const node of whole.nodes) {
    for (const value of node.outputs) {
      const fact = facts.get(value);
      if (value === '' || fact?.dtype !== 'float32' || !isStatic(fact.dims)) continue;
      const zero = building.g.Mul(building.g.of(value), 0);
      const axes = fact.dims.map((_, i) => i);
      const flag = axes.length > 0 ? building.g.ReduceSum(zero, axes, { keepdims: 0 }) : zero;
      flags.set(flag.name, { node, value });
    }
  }
  const graph = withStatedOutputs(removeDead(building.finish([...flags.keys()].map((name) => ({ name })))));
  using session = await lab.engine.load(engineBytes(graph), { optimize: 'none' });
  const given: Record<string, Tensor> = {};
  for (const { name } of session.inputs) {
    const column = step.columns.get(name);
    const fed = column && feeds[name] ? tensor(column.dtype, column.dims, feeds[name]) : weights.get(name);
    given[name] = fed ?? tensor('uint32', [], Uint32Array.of(stepNumber));
    if (!fed && name !== STEP) return undefined;
  }
  const answers = await session.run(given);
  for (const [flag, { node, value }] of flags) {
    const seen = answers[flag];
    if (!seen || Number.isFinite((elements(seen) as Float32Array)[0])) continue;
    return {
      where: `${node.op} "${node.name || value}"`,
      got: 'finite inputs, but a result that is not',
      hint: ADVICE[node.op] ?? 'a smaller learning rate, gradient clipping, or inputs scaled to about ±1',
    };
  }
  return undefined;
}
