/** A link of an optimiser's chain: the state it keeps for each weight, and its rule as an expression. */

import type { Rate } from '../schedule/schedule.ts';
import type { Builder, Expression, Term } from './expression.ts';
import type { MatrixRule } from './matrix.ts';

/** What a slot holds before the first step: a number for each weight, a copy of the weights, or one number for all. */
export type SlotStart = number | 'w' | { readonly uniform: number };

/** The language of expressions, with the numbers that a step brings along. */
export interface RuleBuilder extends Builder {
  /** Learning rate of the link that names one (`lr`), times that of the parameter's group. */
  readonly lr: Expression;
  /** The same without the group's factor: for state that all groups share. */
  readonly baseLr: Expression;
  /** Number of this step; the first is 1. */
  readonly t: Expression;
  /** The parameter group's factor for weight decay; 1 unless the group says otherwise. */
  readonly groupDecay: Expression;
  /** The parameter group's switch for per-parameter norms (LARS, LAMB): 1, or 0 to do without. */
  readonly groupTrust: Expression;
  /** 1 for weights of a matrix (two axes or more, in a group that trusts norms), else 0. */
  readonly isMatrix: Expression;
  /** Sum of x over all weights that are trained. Ends the pass over memory before this link, and needs one more. */
  sumAll(x: Term): Expression;
  /** Sum of x over the weights of one parameter. */
  sumEach(x: Term): Expression;
}

/** `u` is the update that comes in (the gradient, at the first link), `w` the weight; then the link's own state. */
export type Slots<S extends string> = Readonly<Record<S | 'u' | 'w', Expression>>;
export type NewValues<S extends string> = { readonly [slot in S | 'u' | 'w']?: Term };
export type Body<S extends string> = (e: RuleBuilder, slots: Slots<S>) => NewValues<S>;

export interface Link {
  readonly name: string;
  readonly state: Readonly<Record<string, SlotStart>>;
  readonly body: Body<string>;
  /** The learning rate that `e.lr` stands for. */
  readonly lr?: Rate;
  /** Steps (from 1) on which the link acts; all when left out. */
  readonly active?: (t: number) => boolean;
  /** The weights to evaluate and to keep, where they are not those that are trained (averages). */
  readonly evaluate?: (e: RuleBuilder, slots: Slots<string>) => Term;
  /** What then happens to the update of each parameter that is a matrix. */
  readonly matrix?: MatrixRule;
  /** A first move, after which the step wants the gradient at the new place (SAM). */
  readonly probe?: Body<string>;
}

/** A link in its place in a chain: `id` is its name, made unique there; its slots are `id.slot`. */
export interface PlacedLink extends Link {
  readonly id: string;
}

export interface RuleOptions<S extends string> {
  lr?: Rate;
  evaluate?: (e: RuleBuilder, slots: Slots<S>) => Term;
  probe?: Body<S>;
}

/**
 * One rule of a chain.
 *
 * `state` names its slots and what they start from; `body` gives new values, and what it leaves out stays as it was.
 * The chain's end adds `u` to `w`. A slot that is left out of `state` (an option that is off) must not be read.
 *
 * @example
 * rule('momentum', { v: 0 }, (e, { u, v }) => {
 *   const next = e.add(e.mul(0.9, v), u);
 *   return { v: next, u: next };
 * });
 */
export function rule<const S extends string = never>(
  name: string,
  state: { readonly [slot in S]?: SlotStart },
  body: Body<S>,
  { lr, evaluate, probe }: RuleOptions<S> = {},
): Link {
  return {
    name,
    state: state as Link['state'],
    body: body as unknown as Body<string>,
    ...(lr !== undefined && { lr }),
    ...(evaluate && { evaluate: evaluate as NonNullable<Link['evaluate']> }),
    ...(probe && { probe: probe as unknown as Body<string> }),
  };
}

/** State that is one number for all weights (float64), such as a running product. */
export const uniform = (start: number): SlotStart => ({ uniform: start });

/** Names of all slots per weight that a chain keeps, in order. */
export const slotsOf = (links: readonly PlacedLink[]): string[] =>
  links.flatMap(({ id, state }) =>
    Object.entries(state).flatMap(([slot, start]) => (typeof start === 'object' ? [] : [`${id}.${slot}`])),
  );
