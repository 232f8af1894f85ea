/** The pieces that optimisers are made of, and the chain that makes one of them. */

import type { Rate } from '../schedule/schedule.ts';
import type { Arena } from './arena.ts';
import { type Link, type PlacedLink, rule, slotsOf } from './link.ts';
import { type RunningOptimizer, type StartOptions, start } from './running.ts';

export { rule, uniform } from './link.ts';

/** A chain of links. It holds no numbers of its own: `start` puts it to work, as often as one likes. */
export interface Optimizer {
  /** Names of its links, in order. */
  readonly name: string;
  readonly links: readonly PlacedLink[];
  /** State slots per weight that an arena must have for it. */
  readonly slots: readonly string[];
  /**
   * Begins at step 0 on an arena that already holds the weights (averages start from them).
   *
   * `lab`: whose engine works out matrix products, for optimisers that have them (Muon, Adafactor, Shampoo).
   * Throws   optim/slot when the arena was laid out for another optimiser.
   */
  start(arena: Arena, options?: StartOptions): RunningOptimizer;
}

/**
 * Joins links, and whole optimisers, into one optimiser; what comes first sees the gradient first.
 *
 * Neighbours are fused: a chain is one pass over memory, and one more for each place where a norm must be known first.
 *
 * @example
 * chain(clipByNorm(1), adamw({ lr: cosine(3e-4, steps) }))
 */
export function chain(...parts: readonly (Link | Optimizer)[]): Optimizer {
  const links: PlacedLink[] = [];
  const times = new Map<string, number>();
  for (const link of parts.flatMap((part): readonly Link[] => ('links' in part ? part.links : [part]))) {
    const count = (times.get(link.name) ?? 0) + 1;
    times.set(link.name, count);
    links.push({ ...link, id: count === 1 ? link.name : `${link.name}#${count}` });
  }
  return {
    name: links.map((link) => link.name).join(' · '),
    links,
    slots: slotsOf(links),
    start: (arena, options = {}) => start(links, arena, options),
  };
}

/** u := x · u, the same x at each step. */
export const scale = (x: number): Link => rule('scale', {}, (e, { u }) => ({ u: e.mul(x, u) }));

/** u := −lr · u: the last link of most optimisers. The learning rate is a number or a schedule. */
export const descend = (lr: Rate): Link => rule('descend', {}, (e, { u }) => ({ u: e.mul(e.neg(e.lr), u) }), { lr });

/**
 * u := u + decay · w.
 *
 * In front of the rule it is an L2 penalty; behind it, decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101).
 */
export const addDecay = (decay: number): Link | Optimizer =>
  decay === 0 ? chain() : rule('decay', {}, (e, { u, w }) => ({ u: e.add(u, e.mul(e.mul(decay, e.groupDecay), w)) }));

/** w := w + u now, for links that need the new weight. The end of a chain does it by itself. */
export const apply = (): Link => rule('apply', {}, (e, { u, w }) => ({ w: e.add(w, u), u: 0 }));

/** The optimiser with its constant learning rates put on a schedule; those that have one keep it. */
export const scheduled = (optimizer: Optimizer, schedule: (lr: number) => Rate): Optimizer =>
  chain(...optimizer.links.map((link) => (typeof link.lr === 'number' ? { ...link, lr: schedule(link.lr) } : link)));

/** Lets `part` act on every k-th step only, and not before step `from`. */
export const every = (k: number, part: Link | Optimizer, { from = 1 } = {}): Optimizer => {
  const links: readonly Link[] = 'links' in part ? part.links : [part];
  const active = (t: number): boolean => t >= from && t % k === 0;
  return chain(...links.map((link) => ({ ...link, active: (t: number) => active(t) && (link.active?.(t) ?? true) })));
};
