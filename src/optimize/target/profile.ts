/** What a machine is good at, in nanoseconds: measured there by `pare doctor --save`, used here to predict. */

import { PareError } from '../../base/error.ts';
import type { Model } from '../../graph/model.ts';
import { costOfAny } from '../../report/index.ts';
import { onIntegers } from '../../report/layer-fates.ts';

/** Kinds of layer that differ in speed. */
export type Kind = 'conv' | 'depthwise' | 'dense';

export interface Profile {
  readonly format: typeof PROFILE_FORMAT;
  /** Where it was measured, in words. */
  readonly machine: string;
  /** True where figures are estimates from what is known of such machines, not measured on one. */
  readonly isEstimate?: boolean;
  /** Nanoseconds of a multiply-accumulate on one thread. */
  readonly float: Readonly<Record<Kind, number>>;
  readonly int8: Readonly<Record<Kind, number>>;
  /** Nanoseconds that any node takes besides its arithmetic. */
  readonly node: number;
  /** Pairs of 8-bit products are added in 16 bits: weights must be kept small. */
  readonly saturates: boolean;
}

export const PROFILE_FORMAT = 'pare-profile 1';

const KINDS: readonly Kind[] = ['conv', 'depthwise', 'dense'];

/**
 * A profile from its JSON text.
 *
 * Throws   config/damaged for what is no JSON, config/value for what is no profile.
 */
export function parseProfile(text: string, where: string): Profile {
  let value: Partial<Profile>;
  try {
    value = JSON.parse(text) as Partial<Profile>;
  } catch (cause) {
    throw new PareError('config/damaged', `"${where}" is not JSON.`, { where, cause });
  }
  const isTable = (table: unknown): boolean =>
    KINDS.every((kind) => Number((table as Record<string, unknown> | undefined)?.[kind]) > 0);
  if (value?.format === PROFILE_FORMAT && isTable(value.float) && isTable(value.int8) && Number(value.node) >= 0) {
    return value as Profile;
  }
  throw new PareError('config/value', `"${where}" does not hold a machine's profile.`, {
    where,
    expected: `what "pare doctor --save FILE" writes: ${PROFILE_FORMAT}`,
    got: `${value?.format ?? 'no format'}`,
  });
}

/** Milliseconds of one sample on that machine: arithmetic by kind, and something for each node. */
export function predictMs(model: Model, profile: Profile): number {
  const integers = onIntegers(model.graph);
  let ns = 0;
  for (const { node, macs, dims, parameters } of costOfAny(model).layers) {
    ns += profile.node;
    if (macs === 0) continue;
    const kind: Kind = dims.length < 4 ? 'dense' : isDepthwise(macs, dims, parameters) ? 'depthwise' : 'conv';
    ns += macs * (integers.has(node) ? profile.int8 : profile.float)[kind];
  }
  return ns / 1e6;
}

/** Each output is made of one channel: at most as many products as a kernel of 7 × 7 has. */
function isDepthwise(macs: number, dims: readonly number[], parameters: number): boolean {
  const [, channels = 1] = dims;
  const outputs = dims.reduce((a, b) => a * Math.max(1, b), 1);
  return macs / outputs <= 49 && parameters <= channels * 50;
}
