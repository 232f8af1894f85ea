/** The weights that were read from disk last: a loop over `bytes[i]` reads the disk once, and memory stays small. */

export interface Recent {
  /** The bytes under this key: those still held, or freshly made. */
  get(key: object, make: () => Uint8Array): Uint8Array;
}

/**
 * Holds up to `budget` bytes; the longest untouched go first. A weight above the budget is not held, but found again for as long as
 * somebody else holds it, and at least until the work that asked for it lets go.
 */
export function recent(budget = 2 ** 26): Recent {
  const held = new Map<object, Uint8Array>();
  const lent = new WeakMap<object, WeakRef<Uint8Array>>();
  let total = 0;
  return {
    get(key, make) {
      const bytes = held.get(key) ?? lent.get(key)?.deref() ?? make();
      if (bytes.length > budget) {
        lent.set(key, new WeakRef(bytes));
        return bytes;
      }
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
