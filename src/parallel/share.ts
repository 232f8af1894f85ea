/**
 * A run's arrays, of which each rank may hold a part: made whole at the first rank, and dealt out again.
 *
 * A part is a stretch of the flattened whole (a sharded update), or some positions along some axes (a split layer).
 */

import { PareError } from '../base/error.ts';
import { sizeOf } from '../graph/tensor.ts';
import type { RunArrays } from '../train/workers.ts';
import type { Collective } from './collective.ts';
import { broadcastData, receiveData, sendData, tell } from './tell.ts';

/** Where a rank's numbers lie in the whole array. Plain data. */
export interface Part {
  /** The array's name when whole. */
  readonly of: string;
  /** Dimensions of the whole. */
  readonly dims: readonly number[];
  /** First and last + 1 of the flattened whole. */
  readonly range?: readonly [from: number, to: number];
  /** Positions along each axis; undefined where all are here. */
  readonly positions?: readonly (readonly number[] | undefined)[];
}

/** The part that an array of this rank is; undefined when it is whole. */
export type PartOf = (name: string) => Part | undefined;

type Stored = RunArrays extends ReadonlyMap<string, infer T> ? T : never;
interface Held {
  readonly name: string;
  readonly dims: readonly number[];
  readonly part?: Part;
}

/** Calls `copy` with every stretch of a part: `count` numbers at `whole` in the whole are those at `own` in the part. */
export function stretches(part: Part, copy: (whole: number, own: number, count: number) => void): void {
  const { dims, range, positions = [] } = part;
  if (range) {
    copy(range[0], 0, range[1] - range[0]);
    return;
  }
  let last = dims.length - 1;
  while (last > 0 && !positions[last]) last--;
  const inner = sizeOf(dims.slice(last + 1));
  let own = 0;
  const walk = (axis: number, whole: number): void => {
    const size = dims[axis]!;
    const list = positions[axis] ?? Array.from({ length: size }, (_, i) => i);
    for (const i of list) {
      const at = whole * size + i;
      if (axis === last) {
        copy(at * inner, own, inner);
        own += inner;
      } else walk(axis + 1, at);
    }
  };
  if (dims.length === 0) copy(0, 0, 1);
  else walk(0, 0);
}

/** Copies a part into the whole. */
export const putPart = (part: Part, own: Float32Array, whole: Float32Array): void =>
  stretches(part, (at, from, count) => whole.set(own.subarray(from, from + count), at));
/** Copies a part out of the whole. */
export const takePart = (part: Part, whole: Float32Array, own: Float32Array): void =>
  stretches(part, (at, to, count) => own.set(whole.subarray(at, at + count), to));

const heldBy = (own: RunArrays, partOf: PartOf): Held[] =>
  [...own].map(([name, { dims }]) => {
    const part = partOf(name);
    return { name, dims, ...(part && { part }) };
  });

/** Rank 0's arrays, completed by those that only other ranks hold; the other ranks get back what they hold whole. */
export async function whole(
  collective: Collective,
  own: RunArrays,
  partOf: PartOf = () => undefined,
): Promise<RunArrays> {
  const { rank, size } = collective;
  if (rank > 0) {
    await sendData(collective, heldBy(own, partOf), 0);
    const wanted = await receiveData<string[]>(collective, 0);
    for (const name of wanted) await collective.send(own.get(name)!.values, 0, TAG);
    return new Map([...own].filter(([name]) => partOf(name) === undefined));
  }
  const all = new Map<string, Stored>();
  const seen = new Set<string>();
  const take = ({ name, dims, part }: Held, values: Float32Array): void => {
    if (!part) return void all.set(name, { dims, values });
    seen.add(JSON.stringify(part));
    const array = all.get(part.of) ?? { dims: part.dims, values: new Float32Array(sizeOf(part.dims)) };
    all.set(part.of, array);
    putPart(part, values, array.values);
  };
  for (const held of heldBy(own, partOf)) take(held, own.get(held.name)!.values);
  for (let from = 1; from < size; from++) {
    const theirs = await receiveData<Held[]>(collective, from);
    // Copies of the model hold the same parts: one of each is enough.
    const wanted = theirs.filter(({ name, part }) => (part ? !seen.has(JSON.stringify(part)) : !all.has(name)));
    await sendData(
      collective,
      wanted.map(({ name }) => name),
      from,
    );
    for (const held of wanted) {
      const length = held.part ? lengthOf(held.part) : sizeOf(held.dims);
      const values = new Float32Array(length);
      await collective.receive(values, from, TAG);
      take(held, values);
    }
  }
  return all;
}

const lengthOf = ({ dims, range, positions = [] }: Part): number =>
  range ? range[1] - range[0] : dims.reduce((product, size, axis) => product * (positions[axis]?.length ?? size), 1);

const TAG = 22;

/**
 * Fills every rank's arrays from rank 0's whole ones, in place.
 *
 * Throws   train/resume on all ranks when an array is missing or has another size.
 */
export async function parts(
  collective: Collective,
  own: RunArrays,
  all: RunArrays,
  partOf: PartOf = () => undefined,
): Promise<void> {
  const { rank, size } = collective;
  const wanted = heldBy(own, partOf);
  const lists = [wanted];
  for (let from = 1; from < size; from++) {
    if (rank === 0) lists.push(await receiveData<Held[]>(collective, from));
    else if (rank === from) await sendData(collective, wanted, 0);
  }
  const nameOf = ({ name, part }: Held): string => part?.of ?? name;
  await tell(collective, () => {
    for (const held of lists.flat()) {
      if (all.get(nameOf(held))?.values.length === sizeOf(held.part?.dims ?? held.dims)) continue;
      throw new PareError('train/resume', `The checkpoint holds no "${nameOf(held)}" of this size.`, {
        hint: 'go on with the model and the frozen weights that it was made with',
      });
    }
  });
  const copy = (held: Held, values: Float32Array): void => {
    const { values: from } = all.get(nameOf(held))!;
    if (held.part) takePart(held.part, from, values);
    else values.set(from);
  };
  if (rank === 0) for (const held of wanted) copy(held, own.get(held.name)!.values);
  const isAlike = await broadcastData(
    collective,
    lists.every((list) => JSON.stringify(list) === JSON.stringify(wanted)) && !wanted.some(({ part }) => part),
  );
  if (isAlike) {
    for (const { name } of wanted) await collective.broadcast(own.get(name)!.values);
    return;
  }
  if (rank > 0) {
    for (const { name } of wanted) await collective.receive(own.get(name)!.values, 0, TAG);
    return;
  }
  for (let to = 1; to < size; to++) {
    for (const held of lists[to]!) {
      const values = new Float32Array(held.part ? lengthOf(held.part) : sizeOf(held.dims));
      copy(held, values);
      await collective.send(values, to, TAG);
    }
  }
}
