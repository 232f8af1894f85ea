/** What may stay, as flags and as options: one budget, and rules for single layers. */

import { PareError } from '../../src/base/error.ts';
import { parseShare } from '../../src/base/unit.ts';
import type { Keep, Rule } from '../../src/prune/choose.ts';
import { many, number, percent, text } from '../arg.ts';
import { kebab } from '../parse.ts';

export const budgetArgs = {
  keepMacs: percent('Share of the multiply-accumulates that may stay; 50% when no budget is given.'),
  keepParams: percent('Share of the parameters that may stay.'),
  keepBytes: percent('Share of the bytes of weights that may stay.'),
  keepLatency: percent('Share of the time that may stay, by a table of layers timed on this machine.'),
  keepChannels: percent('Share of the channels that may stay.'),
  rule: many(text('What a layer keeps, as WEIGHT=SHARE (* stands for anything); may be repeated.')),
  minWidth: number('The least number of channels that a group keeps.', { min: 1, whole: true }),
  maxShare: percent('The largest share that a group may lose; 90% when left out.'),
  roundTo: number('Widths stay multiples of this; default: what this machine is fast with.', { min: 1, whole: true }),
} as const;

const KEYS = {
  keepMacs: 'macs',
  keepParams: 'parameters',
  keepBytes: 'bytes',
  keepLatency: 'latency',
  keepChannels: 'channels',
} as const;

export type Budgets = { readonly [K in keyof typeof KEYS]: number | undefined } & {
  readonly rule: readonly string[];
};

/**
 * The one budget that was given; with rules alone, nothing else goes.
 *
 * Throws   usage/conflict for several budgets; usage/value for a rule without a share.
 */
export function budgetOf(values: Budgets): { keep: Keep; rules: readonly Rule[] } {
  const given = (Object.keys(KEYS) as (keyof typeof KEYS)[]).filter((key) => values[key] !== undefined);
  if (given.length > 1) {
    throw new PareError('usage/conflict', 'Pruning has one budget at a time.', {
      expected: 'one flag',
      got: given.map((name) => `--${kebab(name)}`).join(', '),
    });
  }
  const rules = values.rule.map(ruleOf);
  const [key] = given;
  if (key !== undefined) return { keep: { [KEYS[key]]: values[key] } as unknown as Keep, rules };
  return { keep: rules.length > 0 ? { channels: 1 } : { macs: 0.5 }, rules };
}

function ruleOf(word: string): Rule {
  const at = word.lastIndexOf('=');
  if (at > 0) return { layer: word.slice(0, at), keep: parseShare(word.slice(at + 1), '--rule') };
  throw new PareError('usage/value', `--rule takes WEIGHT=SHARE, not "${word}".`, {
    where: '--rule',
    expected: 'such as "conv1*=50%"',
    got: word,
  });
}
