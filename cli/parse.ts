/** The words of a command line → the values of a verb's arguments, by commander; its complaints → PareErrors. */

import { Argument, Command, CommanderError, Option } from 'commander';
import { PareError } from '../src/base/error.ts';
import { nearest } from '../src/base/suggest.ts';
import type { Arg, Args } from './arg.ts';
import { commonArgs, dataArgs } from './common-args.ts';
import type { Verb } from './verb.ts';

const SHORT: Readonly<Record<string, string>> = { out: 'o', config: 'c', json: 'j', quiet: 'q' };

/** maxDrop → max-drop. */
export const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** All flags of a verb by camelCase name; its own win over the common ones. */
export const flagsOf = ({ args }: Verb): Args => ({ ...commonArgs, ...dataArgs, ...args });

/** What was written: words by argument name, positional and flags; a switch is one empty word. */
export interface Written {
  readonly words: Readonly<Record<string, readonly string[]>>;
  readonly wantsHelp: boolean;
}

/**
 * Sorts the words after the verb to its arguments.
 *
 * Throws   usage/unknown-flag with the nearest flag; usage/missing; usage/too-many; usage/missing-value.
 */
export function parseWords(verb: Verb, argv: readonly string[]): Written {
  const command = commandFor(verb);
  try {
    command.parse(argv as string[], { from: 'user' });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    if (thrown.code === 'commander.helpDisplayed') return { words: {}, wantsHelp: true };
    throw usageError(thrown, verb);
  }
  const words: Record<string, readonly string[]> = {};
  for (const [name, value] of Object.entries(command.opts<Record<string, string[] | true>>())) {
    words[name] = value === true ? [''] : value;
  }
  Object.keys(verb.takes).forEach((name, i) => {
    const value: unknown = command.processedArgs[i];
    if (value !== undefined) words[name] = Array.isArray(value) ? value : [value as string];
  });
  return { words, wantsHelp: false };
}

/** The help page of a verb. */
export const helpOf = (verb: Verb): string => `${commandFor(verb).helpInformation()}\nExample\n  ${verb.example}\n`;

function commandFor(verb: Verb): Command {
  const command = new Command(`pare ${verb.name}`)
    .description(verb.about)
    .exitOverride()
    .configureOutput({ writeOut: () => {}, writeErr: () => {}, getOutHelpWidth: () => 100 })
    .showSuggestionAfterError(false)
    .helpOption('-h, --help', 'This page.');
  for (const [name, arg] of Object.entries(verb.takes)) {
    const dots = arg.isMany ? '...' : '';
    const slot = arg.isOptional ? `[${name}${dots}]` : `<${name}${dots}>`;
    command.addArgument(new Argument(slot, arg.about));
  }
  const groups: readonly (readonly [string, Args])[] = [
    ['Flags', verb.args],
    ['Flags of every verb', commonArgs],
    ['Flags for data', dataArgs],
  ];
  const seen = new Set<string>();
  for (const [group, args] of groups) {
    for (const [name, arg] of Object.entries(args)) {
      if (!seen.has(name)) command.addOption(optionFor(name, arg).helpGroup(group));
      seen.add(name);
    }
  }
  return command;
}

function optionFor(name: string, { about, takes, choices, fallback }: Arg<unknown>): Option {
  const short = SHORT[name] ? `-${SHORT[name]}, ` : '';
  const more = [
    ...(choices ? [`one of ${choices.join(', ')}`] : []),
    ...(fallback === undefined ? [] : [`default ${fallback}`]),
  ];
  const words = more.length ? `${about.replace(/\.$/, '')} (${more.join('; ')}).` : about;
  const option = new Option(`${short}--${kebab(name)}${takes ? ` <${takes}>` : ''}`, words);
  return takes ? option.argParser((word: string, before: string[] = []) => [...before, word]) : option;
}

function usageError({ code, message }: CommanderError, verb: Verb): PareError {
  const help = `pare ${verb.name} --help lists what it takes`;
  const quoted = /'([^']+)'/.exec(message)?.[1] ?? '';
  if (code === 'commander.unknownOption') {
    const known = Object.keys(flagsOf(verb)).map((name) => `--${kebab(name)}`);
    const near = known.find((flag) => flag.startsWith(quoted)) ?? nearest(quoted, known);
    return new PareError(
      'usage/unknown-flag',
      `pare ${verb.name} has no flag "${quoted}"${near ? `; did you mean "${near}"?` : '.'}`,
      { where: quoted, expected: known.join(', '), hint: help },
    );
  }
  if (code === 'commander.missingArgument') {
    return new PareError('usage/missing', `pare ${verb.name} needs ${quoted}: ${verb.takes[quoted]?.about ?? ''}`, {
      expected: verb.example,
      hint: help,
    });
  }
  if (code === 'commander.optionMissingArgument') {
    const flag = quoted.replace(/^-\w, /, '').split(' ')[0]!;
    return new PareError('usage/missing-value', `${flag} needs a value.`, {
      where: flag,
      expected: quoted,
      hint: help,
    });
  }
  if (code === 'commander.excessArguments') {
    const count = Object.keys(verb.takes).length;
    return new PareError(
      'usage/too-many',
      `pare ${verb.name} takes ${count} ${count === 1 ? 'name' : 'names'}, not more.`,
      {
        expected: verb.example,
        got: /got (\d+)/.exec(message)?.[1] ?? message,
        hint: help,
      },
    );
  }
  return new PareError('usage/command-line', message.replace(/^error: /, ''), { hint: help });
}
