/** Words like `hints:100`: a name from a table, and a number that belongs to it. */

import { PareError } from '../src/base/error.ts';
import { pick } from '../src/base/suggest.ts';
import type { Arg } from './arg.ts';

export interface NameAndNumber<K extends string> {
  readonly name: K;
  /** Absent where none was given. */
  readonly number?: number;
}

/** An entry of a table, and after a colon a number from 0. Without a fallback it may be undefined. */
export const nameAndNumber = <K extends string>(
  table: Readonly<Record<K, unknown>>,
  about: string,
  fallback?: K,
): Arg<NameAndNumber<K> | undefined> => ({
  about,
  takes: 'NAME[:N]',
  choices: Object.keys(table),
  ...(fallback !== undefined && { fallback }),
  read: (words, flag) => {
    const word = words.at(-1) ?? fallback;
    if (word === undefined) return undefined;
    const [name = '', ...rest] = word.split(':');
    pick(table, name, `${flag} value`);
    if (rest.length === 0) return { name: name as K };
    const number = rest.length === 1 && rest[0]!.trim() !== '' ? parseNumber(rest[0]!) : Number.NaN;
    if (Number.isFinite(number) && number >= 0) return { name: name as K, number };
    throw new PareError('usage/value', `${flag} takes a name, or a name, a colon and a number from 0: not "${word}".`, {
      where: flag,
      expected: `${name}:0.5, for instance`,
      got: word,
    });
  },
});

const parseNumber = (text: string): number => (text.endsWith('%') ? Number(text.slice(0, -1)) / 100 : Number(text));
