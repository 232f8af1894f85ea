/** Flags that only some choices of another flag take: where the choice does not take one, it is refused rather than ignored. */

import { PareError } from '../src/base/error.ts';
import { kebab } from './parse.ts';

/** Flags by camelCase name. Of a choice, written "--scheme static": those that it takes; what no choice names goes with all. */
export type Takes = Readonly<Record<string, readonly string[]>>;

type Values = Readonly<Record<string, unknown>>;

/** Throws usage/conflict for the first flag given that belongs to other choices. */
export function refuseForeign(values: Values, chosen: string, takes: Takes): void {
  for (const name of Object.keys(values)) {
    const owners = Object.keys(takes).filter((choice) => takes[choice]!.includes(name));
    if (!isGiven(values[name]) || owners.length === 0 || owners.includes(chosen)) continue;
    throw foreign(name, chosen, owners.join(' or '));
  }
}

/** Throws usage/conflict for the first pair of which both are given: the second flag settles what the first one says. */
export function refuseBoth(values: Values, pairs: readonly (readonly [string, string])[]): void {
  for (const [first, second] of pairs) {
    const settler = `--${kebab(second)}`;
    if (isGiven(values[first]) && isGiven(values[second])) throw foreign(first, settler, 'one of the two');
  }
}

/** Throws usage/missing for the first flag given without any of those that it says more of. */
export function refuseAlone(values: Values, needs: Takes): void {
  for (const [name, others] of Object.entries(needs)) {
    if (!isGiven(values[name]) || others.some((other) => isGiven(values[other]))) continue;
    const [flag, expected] = [`--${kebab(name)}`, others.map((other) => `--${kebab(other)}`).join(' or ')];
    throw new PareError('usage/missing', `${flag} says nothing without ${expected}.`, { where: flag, expected });
  }
}

const foreign = (name: string, chosen: string, expected: string): PareError => {
  const flag = `--${kebab(name)}`;
  return new PareError('usage/conflict', `${flag} says nothing to ${chosen}.`, { where: flag, expected, got: chosen });
};

const isGiven = (value: unknown): boolean =>
  value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
