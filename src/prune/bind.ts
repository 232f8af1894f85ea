/** Numbers for the symbols of a graph: links are solved, and networks tried, on concrete sizes. */

import { asPareError } from '../base/error.ts';
import { isStatic } from '../graph/dim.ts';
import { type Dim, feedsOf, type Graph, tensorType } from '../graph/model.ts';
import { lengthChoices } from '../graph/open-lengths.ts';
import { type Facts, infer } from '../ops/infer.ts';

/** What is known of a graph's values, with symbols and with numbers in their place. */
export interface Bound {
  /** Dimensions as the file states them; unnamed ones have names. */
  readonly symbolic: Facts;
  /** The same with every symbol a number. */
  readonly concrete: Facts;
  /** The dimensions of what is fed, in numbers. */
  readonly inputs: Readonly<Record<string, readonly number[]>>;
}

/** Samples in a batch while links are solved: not 1, so that axes of size 1 are known to stretch. */
const BATCH = 2;
/**
 * Sizes tried for other symbols until the graph's shapes fit: primes, so that none is mistaken for another, and sizes that
 * can be halved, for networks that go down and up again.
 */
const OTHERS = [13, 5, 97, 160, 227, 512, 1];

const named = (input: string, axis: number, dim: Dim): Dim => dim ?? `${input}/${axis}`;

/**
 * Binds the symbols of the inputs to sizes that the graph accepts.
 *
 * `symbols` are sizes that the caller knows. Batch-like symbols (axis 0) count 2, others the first size that fits.
 * Throws   the shape error of the last try when no size fits.
 */
export function bindGraph(graph: Graph, symbols: Readonly<Record<string, number>> = {}): Bound {
  const stated = new Map<string, Dim[]>();
  for (const info of feedsOf(graph)) {
    const dims = tensorType(info)?.dims;
    if (dims)
      stated.set(
        info.name,
        dims.map((dim, axis) => named(info.name, axis, dim)),
      );
  }
  const symbolic = infer(graph, { inputs: Object.fromEntries(stated) });
  let best: Bound | undefined;
  let unknown = Number.POSITIVE_INFINITY;
  let failure: unknown;
  const samples: Record<string, number> = { ...symbols };
  for (const [dim] of stated.values()) if (typeof dim === 'string') samples[dim] ??= BATCH;
  const open = [...new Set([...stated.values()].flat())].filter((dim): dim is string => typeof dim === 'string');
  const asked = open.filter((dim) => samples[dim] === undefined);
  for (const lengths of lengthChoices(graph, asked, OTHERS)) {
    const sizes: Record<string, number> = { ...lengths, ...samples };
    const inputs = Object.fromEntries(
      [...stated].map(([name, dims]) => [
        name,
        dims.map((dim) => (typeof dim === 'string' ? sizes[dim]! : (dim as number))),
      ]),
    );
    try {
      const concrete = infer(graph, { symbols: sizes, inputs });
      const open = [...concrete.values()].filter(({ dims }) => !isStatic(dims) || dims.some((dim) => dim < 0)).length;
      if (open < unknown) [best, unknown] = [{ symbolic, concrete, inputs }, open];
      if (open === 0) break;
    } catch (error) {
      failure = error;
    }
  }
  if (!best) throw asPareError(failure);
  return best;
}
