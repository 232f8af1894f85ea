/** The kinds of argument: each turns a word of the command line into a typed value, or says what it expected. */

import { PareError } from '../src/base/error.ts';
import { pick } from '../src/base/suggest.ts';
import { parseQuantity, parseShare, type UNITS } from '../src/base/unit.ts';

/** An argument; T is what the verb receives. */
export interface Arg<T> {
  readonly about: string;
  /** What stands for the value in the help: FILE, N, 50%. Absent for a switch, which takes none. */
  readonly takes?: string;
  /** The words that may stand there, for the help. */
  readonly choices?: readonly string[];
  /** In words, for the help. */
  readonly fallback?: string;
  /** Takes all words that remain, or may be given several times. */
  readonly isMany?: true;
  /** A positional argument that may be left out. */
  readonly isOptional?: true;
  /** A positional argument in whose place a configuration may stand; its section of that name is then the word, objects as JSON. */
  readonly isConfig?: true;
  /** The value of the words given; of none when the argument was left out. `name` is how the user wrote it. */
  readonly read: (words: readonly string[], name: string) => T;
}

/** Arguments by name, and what the verb receives for them. */
export type Args = Readonly<Record<string, Arg<unknown>>>;
export type ValuesOf<A extends Args> = { readonly [K in keyof A]: A[K] extends Arg<infer T> ? T : never };

const bad = (name: string, expected: string, got: string): PareError =>
  new PareError('usage/value', `${name} takes ${expected}, not "${got}".`, { where: name, expected, got });

/** An argument of one word. Without a fallback it may be undefined, as the callers' types say. */
const single = <T>(
  about: string,
  takes: string,
  parse: (word: string, name: string) => T,
  fallback?: string,
): Arg<T> => ({
  about,
  takes,
  ...(fallback !== undefined && { fallback }),
  read: (words, name) => {
    const word = words.at(-1) ?? fallback;
    return word === undefined ? (undefined as T) : parse(word, name);
  },
});

/** Overloads of a kind: with a fallback the value is always there. */
type Kind<T> = { (about: string, fallback: string): Arg<T>; (about: string): Arg<T | undefined> };
const kind = <T>(takes: string, parse: (word: string, name: string) => T): Kind<T> =>
  ((about: string, fallback?: string) => single(about, takes, parse, fallback)) as Kind<T>;

const filled =
  (expected: string) =>
  (word: string, name: string): string => {
    if (word === '') throw bad(name, expected, word);
    return word;
  };

/** A file or folder. */
export const path = kind('FILE', filled('a path'));
/** Any words. */
export const text = kind('TEXT', (word) => word);
/** A share, "50%" or "0.5", as a number from 0 to 1. */
export const percent = kind('SHARE', parseShare);
/** A number with a unit: 5ms, 1MB, 30m, 40M. */
export const quantity = (of: keyof typeof UNITS, about: string): Arg<number | undefined> =>
  single(about, QUANTITIES[of], (word, name) => parseQuantity(word, of, name));
const QUANTITIES = { bytes: '1MB', milliseconds: '5ms', duration: '30m', count: '40M' } as const;
/** A data set, in the words of `--data`. */
export const spec = kind('SPEC', filled('a data set'));

/** A switch. */
export const flag = (about: string): Arg<boolean> => ({
  about,
  read: (words, name) => {
    const word = words.at(-1);
    if (word === undefined || word === 'false') return false;
    if (word === 'true' || word === '') return true;
    throw bad(name, 'true or false', word);
  },
});

export interface NumberLimits {
  readonly min?: number;
  readonly max?: number;
  /** Whole numbers only. */
  readonly whole?: true;
}

const limitsInWords = ({ min, max, whole }: NumberLimits): string => {
  const what = whole ? 'a whole number' : 'a number';
  if (min !== undefined && max !== undefined) return `${what} from ${min} to ${max}`;
  return min === undefined ? what : `${what} from ${min}`;
};

interface NumberKind {
  (about: string, limits: NumberLimits, fallback: number): Arg<number>;
  (about: string, limits?: NumberLimits): Arg<number | undefined>;
}

/** A number within limits. */
export const number: NumberKind = ((about: string, limits: NumberLimits = {}, fallback?: number) =>
  single(
    about,
    'N',
    (word, name) => {
      const value = word.trim() === '' ? Number.NaN : Number(word);
      const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, whole } = limits;
      const isFine = Number.isFinite(value) && value >= min && value <= max && (!whole || Number.isSafeInteger(value));
      if (!isFine) throw bad(name, limitsInWords(limits), word);
      return value;
    },
    fallback === undefined ? undefined : `${fallback}`,
  )) as NumberKind;

/** Numbers with commas (or, for sizes, an x) between them. */
export const numbers = (about: string): Arg<readonly number[] | undefined> =>
  single(about, 'N,N', (word, name): readonly number[] => {
    const values = word.split(/[,x]/).map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
    if (!values.every(Number.isFinite)) throw bad(name, 'numbers with commas between them', word);
    return values;
  });

interface OneOf {
  <K extends string>(table: Readonly<Record<K, unknown>>, about: string, fallback: K): Arg<K>;
  <K extends string>(table: Readonly<Record<K, unknown>>, about: string): Arg<K | undefined>;
}

/** The name of an entry of a table; the table is also the list of choices, so help and hints cannot be stale. */
export const oneOf: OneOf = <K extends string>(
  table: Readonly<Record<K, unknown>>,
  about: string,
  fallback?: K,
): Arg<K> => ({
  ...single(
    about,
    'NAME',
    (word, name) => {
      pick(table, word, `${name} value`);
      return word as K;
    },
    fallback,
  ),
  choices: Object.keys(table),
});

/** All words given, each read as `one` reads it. */
export const many = <T>(one: Arg<T>): Arg<readonly NonNullable<T>[]> => ({
  ...one,
  isMany: true,
  read: (words, name) => words.map((word) => one.read([word], name)) as NonNullable<T>[],
});

/** The same, and one word may hold several with commas between them. */
export const listed = <T>(one: Arg<T>): Arg<readonly NonNullable<T>[]> => {
  const each = many(one);
  return {
    ...each,
    read: (words, name) =>
      each.read(
        words.flatMap((word) => word.split(',')),
        name,
      ),
  };
};

/** A positional argument that must be there. */
export const required = <T>(one: Arg<T>): Arg<NonNullable<T>> => one as Arg<NonNullable<T>>;
/** A positional argument that may be left out. */
export const optional = <T>(one: Arg<T>): Arg<T> => ({ ...one, isOptional: true });
