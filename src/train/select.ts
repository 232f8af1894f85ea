/** Choosing weights by their names. */

import type { ParameterGroup } from './optim/execute.ts';

/** A name with `*` for anything ("conv*.weight"), a regular expression, or a function. */
export type NamePattern = string | RegExp | ((name: string) => boolean);

/** Does a name fit the pattern? */
export function matcher(pattern: NamePattern | readonly NamePattern[]): (name: string) => boolean {
  if (typeof pattern === 'function') return pattern;
  if (Array.isArray(pattern)) {
    const each = (pattern as readonly NamePattern[]).map(matcher);
    return (name) => each.some((match) => match(name));
  }
  if (pattern instanceof RegExp) return (name) => name.search(pattern) >= 0;
  const escaped = (pattern as string).split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  const whole = new RegExp(`^${escaped.join('.*')}$`);
  return (name) => whole.test(name);
}

/** A parameter group whose members are named by a pattern. */
export interface GroupOptions extends Omit<ParameterGroup, 'match'> {
  readonly match: NamePattern | readonly NamePattern[];
}

/** Groups as the optimiser takes them. */
export const groupsOf = (groups: readonly GroupOptions[]): ParameterGroup[] =>
  groups.map(({ match, ...rest }) => ({ ...rest, match: matcher(match) }));

/**
 * Layer-wise learning rates: the last layer learns at the full rate, each one before it at `factor` times the next one's.
 *
 * A layer is what stands before the last point of a weight's name; `names` in the model's order, first layer first.
 * Source   Howard and Ruder 2018, arXiv:1801.06146 (discriminative fine-tuning).
 */
export function layerWise(names: Iterable<string>, factor = 0.9): GroupOptions[] {
  const layerOf = (name: string): string => name.replace(/\.[^.]*$/, '');
  const layers = [...new Set([...names].map(layerOf))];
  return layers.map((layer, i) => ({
    match: (name: string) => layerOf(name) === layer,
    lr: factor ** (layers.length - 1 - i),
  }));
}
