/** The kinds of option that a step can have: each reads a value of a recipe's JSON, or says what it expected. */

import { PareError } from '../base/error.ts';
import { pick } from '../base/suggest.ts';

/** An option; T is what the step receives. */
export interface Option<T> {
  readonly about: string;
  /** Undefined: the step decides, and what it decided is written into the recipe. */
  readonly fallback: T;
  readonly read: (value: unknown, where: string) => T;
}

/** Options by name, and what a step receives for them. */
export type Options = Readonly<Record<string, Option<unknown>>>;
export type ValuesOf<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never };

const bad = (where: string, expected: string, value: unknown): PareError =>
  new PareError('recipe/option', `${where} takes ${expected}, not ${JSON.stringify(value)}.`, {
    where,
    expected,
    got: JSON.stringify(value) ?? 'nothing',
  });

const checked =
  <T>(expected: string, fits: (value: unknown) => boolean) =>
  (value: unknown, where: string): T => {
    if (!fits(value)) throw bad(where, expected, value);
    return value as T;
  };

const isNumber = (value: unknown, low: number, high: number): value is number =>
  typeof value === 'number' && value >= low && value <= high;

interface Kind<T> {
  (about: string, fallback: T): Option<T>;
  (about: string): Option<T | undefined>;
}

const kind = <T>(expected: string, fits: (value: unknown) => boolean): Kind<T> =>
  ((about: string, fallback?: T) => ({ about, fallback, read: checked<T>(expected, fits) })) as Kind<T>;

/** From 0 to 1. */
export const share = kind<number>('a share from 0 to 1', (value) => isNumber(value, 0, 1));
/** A number that is not negative. */
export const amount = kind<number>('a number from 0', (value) => isNumber(value, 0, Number.MAX_VALUE));
/** A whole number from 1. */
export const count = kind<number>(
  'a whole number from 1',
  (value) => isNumber(value, 1, Number.MAX_SAFE_INTEGER) && Number.isInteger(value),
);
export const flag = kind<boolean>('true or false', (value) => typeof value === 'boolean');
/** Names of nodes, ops or rules. */
export const names = kind<readonly string[]>(
  'a list of names',
  (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
);

interface OneOf {
  <K extends string>(table: Readonly<Record<K, unknown>>, about: string, fallback: K): Option<K>;
  <K extends string>(table: Readonly<Record<K, unknown>>, about: string): Option<K | undefined>;
}

/** The name of an entry of a table. */
export const oneOf: OneOf = <K extends string>(
  table: Readonly<Record<K, unknown>>,
  about: string,
  fallback?: K,
): Option<K> => ({
  about,
  fallback: fallback as K,
  read: (value, where) => {
    if (typeof value !== 'string') throw bad(where, `one of ${Object.keys(table).join(', ')}`, value);
    pick(table, value, where);
    return value as K;
  },
});
