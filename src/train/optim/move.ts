/** An optimiser's moves as plans: the same whether kernels carry them out in memory or nodes on a device. */

import type { PlacedLink } from './link.ts';
import type { MatrixRule } from './matrix.ts';
import { evaluationPlan, type Plan, partsOf, plan, planPart, probePlan } from './plan.ts';

/** `step` updates the weights, `probe` goes before it where a chain wants two gradients; `enter` and `leave` swap averaged weights in. */
export type MoveKind = 'step' | 'probe' | 'enter' | 'leave';

/** A plan, and what then happens to the updates of matrices. */
export interface Part {
  readonly plan: Plan;
  readonly matrix?: MatrixPart;
}

export interface MatrixPart {
  /** The link whose state it is. */
  readonly id: string;
  readonly rule: MatrixRule;
  /** Whether the costly part is worked out again. */
  readonly isFresh: boolean;
}

/** Parts in order. Moves with the same key are the same. */
export interface Move {
  readonly key: string;
  readonly parts: readonly Part[];
}

/** Finds the move of a kind at step t, undefined where the chain has none; each is planned once. With `fuse: false` each link has its own pass. */
export function movesOf(
  links: readonly PlacedLink[],
  { fuse }: { fuse: boolean },
): (kind: MoveKind, t: number) => Move | undefined {
  const made = new Map<string, Move | undefined>();
  const rests = links.some((link) => link.active);
  const renews = links.some((link) => link.matrix?.isFresh);
  const freshOf = ({ matrix }: PlacedLink, t: number): boolean => matrix?.isFresh?.(t) ?? true;

  const partsAt = (kind: MoveKind, active: readonly PlacedLink[], t: number): readonly Part[] | undefined => {
    if (kind === 'step') {
      const groups = partsOf(links).map((group) => ({
        last: group.at(-1),
        own: group.filter((link) => active.includes(link)),
      }));
      return groups.map(({ last, own }, i): Part => {
        if (i === groups.length - 1) return { plan: plan(own, { fuse }) };
        return { plan: planPart(own), matrix: { id: last!.id, rule: last!.matrix!, isFresh: freshOf(last!, t) } };
      });
    }
    const only = kind === 'probe' ? probePlan(active) : evaluationPlan(links)?.[kind];
    return only && [{ plan: only }];
  };
  return (kind, t) => {
    const moves = kind === 'step' || kind === 'probe';
    const active = rests && moves ? links.filter((link) => link.active?.(t) ?? true) : links;
    const fresh = renews && moves ? links.filter((link) => link.matrix && freshOf(link, t)) : [];
    const key = [kind, ...(active === links ? [] : active), '', ...fresh]
      .map((link) => (typeof link === 'string' ? link : link.id))
      .join('|');
    if (!made.has(key)) {
      const parts = partsAt(kind, active, t);
      made.set(key, parts && { key, parts });
    }
    return made.get(key);
  };
}
