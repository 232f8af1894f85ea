/** The configuration file: flags by name, written once; those on the command line win. */

import { PareError } from '../src/base/error.ts';
import { nearest } from '../src/base/suggest.ts';
import { flagsOf } from './parse.ts';
import type { Verb } from './verb.ts';

/** Flags by name (camelCase or as on the command line), and a section of the same for single verbs. */
export type Config = Readonly<Record<string, unknown>>;

const camel = (name: string): string => name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/**
 * The words that a configuration stands for, by argument name.
 *
 * A section named like the verb wins over the top; sections of other verbs are left alone.
 *
 * Throws   config/unknown for a name that is neither a flag nor a verb; config/value for what cannot be a flag's value.
 */
export function configWords(
  config: Config,
  verb: Verb,
  verbs: readonly string[],
  file: string,
): Record<string, readonly string[]> {
  const flags = flagsOf(verb);
  const described = Object.keys(verb.takes).filter((name) => verb.takes[name]!.isConfig);
  const words: Record<string, readonly string[]> = {};
  const add = (section: Config, where: string): void => {
    for (const [key, value] of Object.entries(section)) {
      const name = camel(key);
      if (where === file && verbs.includes(key) && isSection(value)) continue;
      if (described.includes(key)) {
        words[key] = [typeof value === 'string' ? value : JSON.stringify(value)];
        continue;
      }
      if (!Object.hasOwn(flags, name) || name === 'config') {
        const near = nearest(key, Object.keys(flags));
        throw new PareError(
          'config/unknown',
          `${file} sets "${key}", which pare ${verb.name} does not have${near ? `; did you mean "${near}"?` : '.'}`,
          { where, expected: Object.keys(flags).join(', ') },
        );
      }
      words[name] = wordsOf(value, key, file);
    }
  };
  add(config, file);
  const own = config[verb.name];
  if (isSection(own)) add(own, `${file}, section ${verb.name}`);
  return words;
}

/** A file that can hold a configuration, by its ending. */
export const isConfigName = (file: string): boolean => /\.([mc]?[jt]s|json)$/i.test(file);

const isSection = (value: unknown): value is Config =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function wordsOf(value: unknown, key: string, file: string): readonly string[] {
  if (Array.isArray(value)) {
    return value.every((item) => typeof item === 'number')
      ? [value.join(',')]
      : value.flatMap((v) => wordsOf(v, key, file));
  }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return [`${value}`];
  throw new PareError('config/value', `${file} gives "${key}" a value that no flag takes.`, {
    where: key,
    expected: 'a text, a number, true, false, or a list of them',
    got: value === null ? 'null' : typeof value,
  });
}

/**
 * The object in a configuration file: JSON, or the default export of a module.
 *
 * Throws   config/missing; config/damaged with the reader's words; config/typescript where this Node cannot import it;
 *          config/value when it is not an object.
 */
export async function readConfig(file: string): Promise<Config> {
  const { existsSync, readFileSync } = await import('node:fs');
  if (!existsSync(file)) {
    throw new PareError('config/missing', `There is no configuration file "${file}".`, { where: file });
  }
  if (/\.[mc]?ts$/.test(file) && !(process.features as { typescript?: unknown }).typescript) {
    throw new PareError('config/typescript', `Node ${process.versions.node} cannot read "${file}": it is TypeScript.`, {
      where: file,
      expected: 'Node 22.18 or later, or a .js, .mjs or .json file',
      got: `Node ${process.versions.node}`,
    });
  }
  const value: unknown = /\.json$/.test(file) ? parseJson(readFileSync(file, 'utf8'), file) : await importDefault(file);
  if (isSection(value)) return value;
  throw new PareError('config/value', `"${file}" does not hold a configuration.`, {
    where: file,
    expected: 'an object of flags, as JSON or as the default export',
  });
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw damaged(file, cause);
  }
}

async function importDefault(file: string): Promise<unknown> {
  const { pathToFileURL } = await import('node:url');
  try {
    return ((await import(pathToFileURL(file).href)) as { default?: unknown }).default;
  } catch (cause) {
    throw damaged(file, cause);
  }
}

const damaged = (file: string, cause: unknown): PareError =>
  new PareError('config/damaged', `"${file}" cannot be read: ${cause instanceof Error ? cause.message : cause}.`, {
    where: file,
    cause,
  });
