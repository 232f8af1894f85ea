/** A run's arrays, of which each rank may hold a part: read as wholes at the first rank, piece by piece, and dealt out again. */

import { PareError } from '../base/error.ts';
import { sizeOf } from '../graph/tensor.ts';
import { type StreamedArray, stretch } from '../train/tensor-file.ts';
import type { RunArrays } from '../train/workers.ts';
import type { Collective } from './collective.ts';
import { lengthOf, type Part, type PartOf, stretches, takePart } from './part.ts';
import { broadcastData, receiveData, sendData, tell } from './tell.ts';

/** What a rank says that it holds. */
interface Held {
  readonly name: string;
  readonly dims: readonly number[];
  readonly part?: Part;
}

/** One of those who hold an array between them. */
interface Holder extends Held {
  readonly rank: number;
}

/** The numbers `from` … `to` − 1 of an array, as its holder counts them. */
interface Request {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** Numbers of an array that are on their way at a time. */
const PIECE = 2 ** 22;
const TAG = 22;

const heldBy = (own: RunArrays, partOf: PartOf): Held[] =>
  [...own].map(([name, { dims }]) => {
    const part = partOf(name);
    return { name, dims, ...(part && { part }) };
  });

/**
 * Rank 0's arrays, completed by what only other ranks hold, are given to `take`, which reads those it wants in any order, one at a
 * time; the other ranks answer meanwhile. What `take` throws, all throw.
 *
 * Returns  what `take` does; undefined on the other ranks.
 */
export async function whole<T>(
  collective: Collective,
  own: RunArrays,
  partOf: PartOf,
  take: (arrays: ReadonlyMap<string, StreamedArray>) => Promise<T>,
): Promise<T | undefined> {
  const { rank, size } = collective;
  if (rank > 0) {
    await sendData(collective, heldBy(own, partOf), 0);
    for (;;) {
      const asked = await receiveData<Request | null>(collective, 0);
      if (!asked) break;
      await collective.send(stretch(own.get(asked.name)!, asked.from, asked.to), 0, TAG);
    }
    await tell(collective, () => undefined);
    return undefined;
  }
  const all = new Map<string, { dims: readonly number[]; holders: Holder[] }>();
  const seen = new Set<string>();
  const add = (held: Held, from: number): void => {
    const { name, dims, part } = held;
    // Copies of the model hold the same parts: one of each is enough.
    const key = part ? JSON.stringify(part) : name;
    if (seen.has(key)) return;
    seen.add(key);
    const array = all.get(part?.of ?? name) ?? { dims: part?.dims ?? dims, holders: [] };
    all.set(part?.of ?? name, array);
    array.holders.push({ ...held, rank: from });
  };
  for (const held of heldBy(own, partOf)) add(held, 0);
  for (let from = 1; from < size; from++)
    for (const held of await receiveData<Held[]>(collective, from)) add(held, from);

  const fetch = async ({ rank: from, name }: Holder, first: number, last: number): Promise<Float32Array> => {
    if (from === 0) return stretch(own.get(name)!, first, last);
    const values = new Float32Array(last - first);
    await sendData(collective, { name, from: first, to: last } satisfies Request, from);
    await collective.receive(values, from, TAG);
    return values;
  };
  const arrays = new Map(
    [...all].map(([name, { dims, holders }]): [string, StreamedArray] => {
      const [{ rank: from, part, name: key }] = holders as [Holder];
      const here = from === 0 && !part ? own.get(key)! : undefined;
      const values = here && !here.stretch ? here.values : undefined;
      return [name, { dims, ...(values && { values }), pieces: () => piecesOf(dims, holders, fetch) }];
    }),
  );
  let taken: { readonly value: T } | { readonly error: unknown };
  try {
    taken = { value: await take(arrays) };
  } catch (error) {
    taken = { error };
  }
  for (let to = 1; to < size; to++) await sendData(collective, null, to);
  await tell(collective, () => {
    if ('error' in taken) throw taken.error;
  });
  return 'value' in taken ? taken.value : undefined;
}

/** An array in order, each piece put together from what its holders have of it. */
async function* piecesOf(
  dims: readonly number[],
  holders: readonly Holder[],
  fetch: (holder: Holder, from: number, to: number) => Promise<Float32Array>,
): AsyncGenerator<Float32Array> {
  const shares = holders.map((holder) => {
    const runs: { at: number; own: number; count: number }[] = [];
    stretches(holder.part ?? { dims }, (at, own, count) => runs.push({ at, own, count }));
    return { holder, runs, next: 0 };
  });
  const length = sizeOf(dims);
  for (let from = 0; from < length; from += PIECE) {
    const to = Math.min(length, from + PIECE);
    const piece = new Float32Array(to - from);
    for (const share of shares) {
      const { holder, runs } = share;
      const due = [];
      for (; share.next < runs.length && runs[share.next]!.at < to; share.next++) {
        const { at, own, count } = runs[share.next]!;
        const [first, last] = [Math.max(at, from), Math.min(at + count, to)];
        due.push({ into: first - from, own: own + first - at, count: last - first });
        if (at + count > to) break; // the rest of it belongs to the next piece
      }
      if (due.length === 0) continue;
      const start = due[0]!.own;
      const end = due.at(-1)!.own + due.at(-1)!.count;
      const values = await fetch(holder, start, end);
      for (const { into, own, count } of due) piece.set(values.subarray(own - start, own - start + count), into);
    }
    yield piece;
  }
}

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
      const found = all.get(nameOf(held));
      if (found && sizeOf(found.dims) === sizeOf(held.part?.dims ?? held.dims)) continue;
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
