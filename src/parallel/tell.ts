/** Plain data between ranks, carried as bytes by the collectives. */

import { asPareError, type ErrorDetail, PareError } from '../base/error.ts';
import type { Among } from '../runtime/index.ts';
import type { Collective } from './collective.ts';

/** Bytes of a float32. */
const WORD = 4;
const HEADER = 1;

/** JSON has no NaN, no infinities and no undefined. */
const keep = (_: string, value: unknown): unknown => {
  if (value === undefined) return { $: 'undefined' };
  return typeof value === 'number' && !Number.isFinite(value) ? { $: `${value}` } : value;
};
const restore = (_: string, value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || !('$' in value)) return value;
  return value.$ === 'undefined' ? undefined : Number(value.$);
};

/** [length in bytes, as an integer in a float32's place; the text, padded to whole words]. Numbers are moved, never added. */
function packed(value: unknown): { header: Float32Array; body: Float32Array } {
  const text = new TextEncoder().encode(JSON.stringify({ value }, keep));
  const bytes = new Uint8Array(Math.ceil(text.length / WORD) * WORD);
  bytes.set(text);
  return {
    header: new Float32Array(Uint32Array.of(text.length).buffer),
    body: new Float32Array(bytes.buffer),
  };
}
const room = (header: Float32Array): Float32Array =>
  new Float32Array(Math.ceil(new Uint32Array(header.buffer)[0]! / WORD));
const unpacked = (header: Float32Array, body: Float32Array): unknown => {
  const text = new TextDecoder().decode(new Uint8Array(body.buffer).subarray(0, new Uint32Array(header.buffer)[0]));
  return (JSON.parse(text, restore) as { value: unknown }).value;
};

/** Plain data from rank `root` (default 0) to all; what the others give is not looked at. */
export async function broadcastData<T>(collective: Collective, value: T, root = 0): Promise<T> {
  if (collective.size === 1) return value;
  const isRoot = collective.rank === root;
  const message = isRoot ? packed(value) : { header: new Float32Array(HEADER), body: new Float32Array(0) };
  await collective.broadcast(message.header, root);
  const body = isRoot ? message.body : room(message.header);
  await collective.broadcast(body, root);
  return isRoot ? value : (unpacked(message.header, body) as T);
}

/** Float64 numbers from rank `root` to all, bit by bit; the others need not know how many. */
export async function broadcastNumbers(
  collective: Collective,
  values: Float64Array | undefined,
  root: number,
): Promise<Float64Array> {
  const length = await broadcastData(collective, values?.length ?? 0, root);
  const all = values ? values.slice() : new Float64Array(length);
  await collective.broadcast(new Float32Array(all.buffer), root);
  return all;
}

/** Plain data to one rank. */
export async function sendData(collective: Collective, value: unknown, to: number): Promise<void> {
  const { header, body } = packed(value);
  await collective.send(header, to, TAG);
  await collective.send(body, to, TAG);
}

/** Plain data from one rank. */
export async function receiveData<T>(collective: Collective, from: number): Promise<T> {
  const header = new Float32Array(HEADER);
  await collective.receive(header, from, TAG);
  const body = room(header);
  await collective.receive(body, from, TAG);
  return unpacked(header, body) as T;
}
const TAG = 21;

type Told<T> =
  | { readonly value: T }
  | { readonly code: string; readonly message: string; readonly detail: ErrorDetail };

/** Rank 0 does the work; all ranks get its answer, plain data, or throw what it threw. */
export async function tell<T>(collective: Collective, work: () => T | Promise<T>): Promise<T> {
  if (collective.size === 1) return work();
  return heard(await broadcastData(collective, collective.rank === 0 ? await attempt(work) : (undefined as never)));
}

async function attempt<T>(work: () => T | Promise<T>): Promise<Told<T>> {
  try {
    return { value: await work() };
  } catch (thrown) {
    const { code, message, detail } = asPareError(thrown);
    const { cause: _, ...rest } = detail;
    return { code, message, detail: rest };
  }
}

function heard<T>(told: Told<T>): T {
  if (!('code' in told)) return told.value;
  throw new PareError(told.code, told.message, told.detail);
}

/** The ranks of a group as those who answer together (`lab.among`): binary data travels as it is, to the bit. */
export const answering = (collective: Collective): Among => ({
  rank: collective.rank,
  size: collective.size,
  async spread(from, work) {
    const { serialize, deserialize } = await import('node:v8');
    const header = new Float32Array(HEADER);
    let body: Float32Array | undefined;
    if (collective.rank === from) {
      const bytes = serialize(await attempt(work));
      new Uint32Array(header.buffer)[0] = bytes.length;
      body = room(header);
      new Uint8Array(body.buffer).set(bytes);
    }
    await collective.broadcast(header, from);
    body ??= room(header);
    await collective.broadcast(body, from);
    return heard(deserialize(new Uint8Array(body.buffer, 0, new Uint32Array(header.buffer)[0])) as Told<never>);
  },
});
