/** Which connections of a layer go, given what each is worth. */

import { PareError } from '../../base/error.ts';

/** A share of zeros, or N kept of every M neighbours that one output sums. */
export type Pattern = { readonly zeros: number } | { readonly keep: number; readonly of: number };

/**
 * "50%" or "0.5" as a share of zeros; "2:4" as two kept of every four.
 *
 * Throws   option/pattern for anything else.
 */
export function parsePattern(text: string): Pattern {
  const [, keep, of] = /^(\d+):(\d+)$/.exec(text) ?? [];
  if (keep !== undefined && Number(keep) > 0 && Number(keep) < Number(of))
    return { keep: Number(keep), of: Number(of) };
  const share = text.endsWith('%') ? Number(text.slice(0, -1)) / 100 : Number(text || Number.NaN);
  if (share > 0 && share < 1) return { zeros: share };
  throw new PareError('option/pattern', `"${text}" is no pattern of zeros.`, {
    expected: 'a share of zeros such as 50%, or N kept of every M such as 2:4',
    got: text,
  });
}

export const showPattern = (pattern: Pattern): string =>
  'zeros' in pattern ? `${Math.round(pattern.zeros * 1000) / 10} %` : `${pattern.keep}:${pattern.of}`;

/** The share of zeros that a pattern makes. */
export const zerosOf = (pattern: Pattern): number =>
  'zeros' in pattern ? pattern.zeros : 1 - pattern.keep / pattern.of;

/**
 * 1 where a connection stays: the weakest go, within each run of `stretch` scores.
 *
 * N:M goes by M neighbours of a row of `width`; what is left over at the end of a row stays.
 */
export function keepStrongest(
  scores: Float64Array,
  width: number,
  pattern: Pattern,
  stretch = scores.length,
): Uint8Array {
  const kept = new Uint8Array(scores.length).fill(1);
  const drop = (from: number, to: number, count: number): void => {
    if (count <= 0) return;
    const order = Array.from({ length: to - from }, (_, i) => from + i).sort(
      (a, b) => scores[a]! - scores[b]! || a - b,
    );
    for (const i of order.slice(0, count)) kept[i] = 0;
  };
  if ('zeros' in pattern) {
    for (let from = 0; from < scores.length; from += stretch) {
      const to = Math.min(scores.length, from + stretch);
      drop(from, to, Math.round((to - from) * pattern.zeros));
    }
    return kept;
  }
  const { keep, of } = pattern;
  for (let row = 0; row < scores.length; row += width)
    for (let from = row; from + of <= row + width; from += of) drop(from, from + of, of - keep);
  return kept;
}
