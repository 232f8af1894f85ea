/**
 * Where a value came from: the bytes of the message it was read from.
 *
 * Values are immutable, so a value that is still the same object still means the same bytes: writing it copies them,
 * with everything in them that Pare does not read (doc strings, unknown fields, the original encoding). An edit makes a
 * new object, which has no origin.
 */

import type { Place } from './external.ts';

export interface Origin {
  /** The message, a view of the file. */
  readonly bytes: Uint8Array;
  /** The name inside the message, for what its owner names (tensors by map key, attributes by record key). */
  readonly name?: string;
  /** The message is a SparseTensorProto. */
  readonly isSparse?: boolean;
  /** Where a tensor's elements lie when they are not in the message. */
  readonly place?: Place;
}

const origins = new WeakMap<object, Origin>();

/** Remembers where a value came from, and returns it. */
export function remember<T extends object>(value: T, origin: Origin): T {
  origins.set(value, origin);
  return value;
}

export const originOf = (value: object): Origin | undefined => origins.get(value);
