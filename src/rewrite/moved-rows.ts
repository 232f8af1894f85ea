/** Rows, the last axis of a value, that are moved as a whole. */

import { followBack, type Laid, type Size, sourcePlaces } from './moved.ts';
import type { Net } from './net.ts';

/** A value, and for each row of what was asked about, the row of that value. */
export interface RowOrigin {
  readonly name: string;
  readonly rows: Int32Array;
}

/** The values of so many axes whose rows a value has, the nearest first, beginning with itself. */
export function rowOrigins(of: string, rank: number, size: Size, net: Net): RowOrigin[] {
  const { steps, factor } = followBack(of, net);
  const names = [of, ...steps.map(({ node }) => node.inputs[0]!).reverse()];
  return (factor === 1 ? names : [of]).flatMap((name, i) => {
    const dims = net.dims(name);
    const laid =
      dims?.length === rank
        ? sourcePlaces({ source: name, steps: steps.slice(steps.length - i) }, size, net)
        : undefined;
    const width = dims?.at(-1);
    const rows = laid && typeof width === 'number' ? wholeRows(laid, width) : undefined;
    return rows ? [{ name, rows }] : [];
  });
}

/** The rows of a source as wide that the rows of a value are; undefined where some are not whole. */
export function wholeRows({ dims, places }: Laid, width: number): Int32Array | undefined {
  if (dims.at(-1) !== width) return undefined;
  for (let i = 0; i < places.length; i++) if (places[i] !== places[i - (i % width)]! + (i % width)) return undefined;
  return Int32Array.from({ length: places.length / width }, (_, row) => places[row * width]! / width);
}
