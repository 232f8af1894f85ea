/** Lengths to try for axes that a model leaves open in words but not in deed: exporters bake the length of their example into shapes. */

import type { Graph } from './model.ts';
import { numbers, sizeOf, type Tensor } from './tensor.ts';

/** Longest list of dimensions that is taken for one. */
const MOST_DIMS = 8;
const LONGEST = 65_536;
const MOST_STATED = 16;
/** Of these, as many are combined where several symbols are open. */
const MOST_COMBINED = 8;

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
 * constants name, then those in all pairs (one for the first symbol, another for the rest).
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
  if (symbols.length < 2) return;
  const few = stated.slice(0, MOST_COMBINED);
  for (const first of few) for (const rest of few) if (first !== rest) yield { ...all(rest), [symbols[0]!]: first };
}
