/** Memory for what passes between the segments of a step: a value's place is another's when its last reader is done. */

import type { Tensor } from '../../graph/tensor.ts';
import { sizeOf, tensorBytes, zeros } from '../../graph/tensor.ts';
import { infer } from '../../ops/infer.ts';
import type { Segment } from './segments.ts';

/** The values by name, in as little memory as a first fit by size finds; without those that `isGiven`, which lie elsewhere. */
export function memoryBetween(
  segments: readonly Segment[],
  isGiven: (name: string) => boolean,
): ReadonlyMap<string, Tensor> {
  // A sum lies where its terms lay.
  const origin = new Map(segments.flatMap(({ sums }) => sums.map(({ from, to }) => [to, from] as const)));
  const rootOf = (name: string): string => (origin.has(name) ? rootOf(origin.get(name)!) : name);
  const lastRead = new Map<string, number>();
  for (const [s, { graph, sums }] of segments.entries()) {
    for (const { name } of graph.inputs) lastRead.set(rootOf(name), s);
    for (const { from } of sums) lastRead.set(rootOf(from), Math.max(s, lastRead.get(rootOf(from)) ?? 0));
  }
  const places = new Map<string, Tensor>();
  const free: Uint8Array[] = [];
  const held: { readonly until: number; readonly bytes: Uint8Array }[] = [];
  for (const [s, { graph }] of segments.entries()) {
    for (let i = held.length - 1; i >= 0; i--)
      if (held[i]!.until < s) free.push(...held.splice(i, 1).map((h) => h.bytes));
    const facts = infer(graph);
    const made = graph.outputs
      .filter(({ name }) => !isGiven(name))
      .map(({ name }) => {
        const { dtype = 'float32', dims } = facts.get(name)!;
        return { name, dtype, dims: dims as readonly number[] };
      })
      .sort((a, b) => sizeOf(b.dims) - sizeOf(a.dims));
    for (const { name, dtype, dims } of made) {
      const size = tensorBytes({ dtype, dims });
      const fits = free.filter(({ length }) => length >= size).sort((a, b) => a.length - b.length);
      const bytes = fits[0] ?? zeros('uint8', [size]).bytes;
      if (fits[0]) free.splice(free.indexOf(fits[0]), 1);
      held.push({ until: lastRead.get(name) ?? s, bytes });
      places.set(name, { dtype, dims, bytes: bytes.subarray(0, size) });
    }
  }
  for (const to of origin.keys()) {
    const place = places.get(rootOf(to));
    if (place) places.set(to, place);
  }
  return places;
}
