/** Lengths to try for axes that a model leaves open in words but not in deed: exporters bake the length of their example into shapes. */

import type { Graph } from './model.ts';
import { numbers, sizeOf, type Tensor } from './tensor.ts';

/** Longest list of dimensions that is taken for one. */
const MOST_DIMS = 8;
const LONGEST = 65_536;
const MOST_STATED = 16;
/** Of these, as many are combined where several symbols are open, or taken for what was left of a longer axis. */
const MOST_COMBINED = 8;
/** By how much layers in front may have shortened an axis. */
const STRIDES = [2, 4, 8, 16];

/** Whole numbers above 1 among the small int64 constants, those that occur most often first. */
function statedLengths(graph: Graph): number[] {
  const seen = new Map<number, number>();
  const look = (constant: Tensor): void => {
    if (constant.dtype !== 'int64' || sizeOf(constant.dims) > MOST_DIMS) return;
    for (const x of numbers(constant)) if (x > 1 && x <= LONGEST) seen.set(x, (seen.get(x) ?? 0) + 1);
  };
  for (const constant of graph.initializers.values()) look(constant);
  for (const { attrs } of graph.nodes) {
    for (const attr of Object.values(attrs)) if (attr.kind === 'tensor') look(attr.value);
  }
  return [...seen]
    .sort(([, a], [, b]) => b - a)
    .slice(0, MOST_STATED)
    .map(([length]) => length);
}

/** A length for each symbol. */
export type Lengths = Readonly<Record<string, number>>;

/**
 * What to try for these symbols, in order: each of `lengths` for all of them, then each length that the model's own shape
 * constants name, then what convolutions with a stride shorten to those, then those in all pairs (one for the first symbol,
 * another for the rest).
 *
 *   n kernels of 3 with a stride of 2:   L · 2ⁿ → L with padding,   L · 2ⁿ + 2ⁿ − 1 → L without
 */
export function* lengthChoices(
  graph: Graph,
  symbols: readonly string[],
  lengths: readonly number[],
): Generator<Lengths> {
  const all = (length: number): Lengths => Object.fromEntries(symbols.map((symbol) => [symbol, length]));
  for (const length of lengths) yield all(length);
  if (symbols.length === 0) return;
  const stated = statedLengths(graph);
  for (const length of stated) yield all(length);
  const few = stated.slice(0, MOST_COMBINED);
  for (const stride of STRIDES) {
    for (const length of few) for (const more of [0, stride - 1]) yield all(length * stride + more);
  }
  if (symbols.length < 2) return;
  for (const first of few) for (const rest of few) if (first !== rest) yield { ...all(rest), [symbols[0]!]: first };
}
