/** The weights that were read from disk last: a loop over `bytes[i]` reads the disk once, and memory stays small. */

export interface Recent {
  /** The bytes under this key: those still held, or freshly made. */
  get(key: object, make: () => Uint8Array): Uint8Array;
}

/** Holds up to `budget` bytes, and the last ones whatever their size; the longest untouched go first. */
export function recent(budget = 2 ** 27): Recent {
  const held = new Map<object, Uint8Array>();
  let total = 0;
  return {
    get(key, make) {
      const bytes = held.get(key) ?? make();
      if (!held.delete(key)) total += bytes.length;
      held.set(key, bytes);
      for (const [old, { length }] of held) {
        if (total <= budget || old === key) break;
        held.delete(old);
        total -= length;
      }
      return bytes;
    },
  };
}
