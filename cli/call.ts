/** Words like "focal:gamma=3" or "step:every=10,factor=0.5": a name from a table, and options of its own. */

import { PareError } from '../src/base/error.ts';
import { nearest, pick } from '../src/base/suggest.ts';
import type { Arg } from './arg.ts';

export type OptionValue = number | boolean | string | readonly number[];

export interface Call<K extends string> {
  readonly name: K;
  readonly options: Readonly<Record<string, OptionValue>>;
}

/** What may stand behind each name: its options. One number without a name is the first of them. */
export type Calls<K extends string> = Readonly<Record<K, readonly string[]>>;

/** Options whose value is a word; those of all others are numbers, lists of numbers, or switches. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  epsOn: ['root', 'square', 'corrected', 'raw', 'gradient', 'divisor'],
  velocity: ['gradients', 'steps'],
  shape: ['cosine', 'line'],
  target: ['labels', 'teacher'],
};

const numberIn = (word: string): number => {
  const [, figures = '', percent] = /^\s*([^\s%]+)\s*(%?)\s*$/.exec(word) ?? [];
  return figures === '' ? Number.NaN : Number(figures) / (percent ? 100 : 1);
};

/** "10" is a number, "90%" a share, "true" a switch, "30+60" a list of numbers. Throws usage/value. */
function valueIn(word: string, key: string, flag: string): OptionValue {
  const words = WORDS[key];
  if (words?.includes(word)) return word;
  if (!words && (word === 'true' || word === 'false')) return word === 'true';
  const parts = words ? [Number.NaN] : word.split('+').map(numberIn);
  if (parts.every(Number.isFinite)) return parts.length > 1 ? parts : parts[0]!;
  throw new PareError('usage/value', `${flag} cannot have "${key}=${word}".`, {
    where: flag,
    expected: words ? `one of ${words.join(', ')}` : 'a number, a share such as 90%, true or false',
    got: word,
  });
}

/** Throws option/unknown, usage/value with the nearest option. */
function parseCall<K extends string>(table: Calls<K>, word: string, flag: string): Call<K> {
  const [, name = '', rest = ''] = /^([^:=]*)(?:[:=](.*))?$/.exec(word) ?? [];
  const known = pick(table, name, `${flag} value`);
  const options: Record<string, OptionValue> = {};
  for (const [i, part] of rest.split(',').filter(Boolean).entries()) {
    const [left, right] = part.split('=', 2) as [string, string?];
    const key = right === undefined && i === 0 && known[0] !== undefined ? known[0] : left;
    if (!known.includes(key) || (right === undefined && key === left && !(i === 0 && known[0] === left))) {
      const near = nearest(left, known);
      throw new PareError(
        'usage/value',
        `${flag} ${name} takes no "${part}"${near ? `; did you mean "${near}=…"?` : '.'}`,
        {
          where: flag,
          expected: known.length ? known.map((option) => `${option}=…`).join(', ') : `${name} by itself`,
          got: part,
        },
      );
    }
    options[key] = valueIn(right ?? left, key, flag);
  }
  return { name: name as K, options };
}

interface Called {
  <K extends string>(table: Calls<K>, about: string, fallback: NoInfer<K>): Arg<Call<K>>;
  <K extends string>(table: Calls<K>, about: string): Arg<Call<K> | undefined>;
}

/** A name of the table, perhaps with options: NAME:option=value,option=value. */
export const called: Called = <K extends string>(table: Calls<K>, about: string, fallback?: K): Arg<Call<K>> => ({
  about,
  takes: 'NAME',
  choices: Object.keys(table),
  ...(fallback !== undefined && { fallback }),
  read: (words, flag) => {
    const word = words.at(-1) ?? fallback;
    return (word === undefined ? undefined : parseCall(table, word, flag)) as Call<K>;
  },
});

/** Several of them; each word may hold more than one, with commas between those that have no options or one number: "flip,crop=4". */
export const calledMany = <K extends string>(table: Calls<K>, about: string): Arg<readonly Call<K>[]> => ({
  about,
  takes: 'NAME',
  choices: Object.keys(table),
  isMany: true,
  read: (words, flag) =>
    words
      .flatMap((word) => (word.includes(':') ? [word] : word.split(',')))
      .map((word) => parseCall(table, word, flag)),
});
