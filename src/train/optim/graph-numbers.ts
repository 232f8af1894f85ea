/** The numbers of a move on a device that the processor works out: one vector, fed anew at each step. */

import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import { type Run, scalarsFor } from './execute.ts';
import { type Expression, evaluator, walk } from './expression.ts';
import type { Part } from './move.ts';
import { type Pass, STEP } from './plan.ts';

export interface GraphNumbers {
  /** Graph input that the numbers are fed to, float32 [`count`]; undefined when none is needed. */
  readonly input?: { readonly name: string; readonly count: number };
  /** The value [1] of an expression for parameters of a kind, if it is one of the numbers. */
  of(node: Expression, kind: number): StaticValue | undefined;
  /** The step's number [1], where a matrix rule reads it. */
  step(): StaticValue;
  /** The numbers of one step, from those that its plans read. */
  at(known: ReadonlyMap<string, number>): number[];
}

/** Answers whether an expression has a node of which `test` is true; each node is looked at once. */
export function dependsOn(test: (node: Expression) => boolean): (node: Expression) => boolean {
  const answers = new Map<Expression, boolean>();
  const answer = (node: Expression): boolean => {
    const is = answers.get(node) ?? (test(node) || (node.kind === 'operation' && node.args.some(answer)));
    answers.set(node, is);
    return is;
  };
  return answer;
}

/**
 * Appends the input, and picks numbers from it where they are asked for.
 *
 * `kinds` are runs that stand for all parameters of one group and rank; `isKnown` says what can be worked out before the step.
 */
export function graphNumbers(
  g: Builder,
  parts: readonly Part[],
  kinds: readonly Run[],
  isKnown: (node: Expression) => boolean,
): GraphNumbers {
  const nodes = [...new Set(parts.flatMap(({ plan }) => plan.passes.flatMap((pass) => outermost(pass, isKnown))))];
  const places = new Map(nodes.map((node, i) => [node, i]));
  const hasStep = parts.some(({ matrix }) => matrix);
  const count = kinds.length * nodes.length + (hasStep ? 1 : 0);
  const evaluate = evaluator(nodes);
  const input = count > 0 ? g.input(g.fresh('optimizer_numbers'), 'float32', [count]) : undefined;
  const picked = new Map<number, StaticValue>();
  const pick = (place: number): StaticValue => {
    const made = picked.get(place) ?? (count === 1 ? input! : g.Gather(input!, g.ints([place]), { axis: 0 }));
    picked.set(place, made);
    return made;
  };
  return {
    ...(input && { input: { name: input.name, count } }),
    of(node, kind) {
      const place = places.get(node);
      return place === undefined ? undefined : pick(kind * nodes.length + place);
    },
    step: () => pick(count - 1),
    at: (known) => [
      ...kinds.flatMap((run) => evaluate(scalarsFor(run, known, new Map()))),
      ...(hasStep ? [known.get(STEP)!] : []),
    ],
  };
}

/** The outermost expressions of a pass that are known beforehand and no constants. */
function outermost({ outputs, sums }: Pass, isKnown: (node: Expression) => boolean): Expression[] {
  const roots = [...outputs.values(), ...sums.map(({ of }) => of)];
  const used = walk(roots).flatMap((node) => (node.kind === 'operation' && !isKnown(node) ? node.args : []));
  return [...roots, ...used].filter((node) => isKnown(node) && node.kind !== 'constant');
}
