/**
 * A run's arrays in the memory of the engine's device, each with its twin: a run reads one side and writes the other.
 *
 * A graph's nodes come in no set order, so a new value may not take the old one's place while something still reads it.
 */

import type { Tensor } from '../../graph/tensor.ts';
import { type Copier, type Lab, openCopier, type Resident } from '../../runtime/index.ts';

/** Arrays that change together, by name: memory that mirrors the device. */
export interface StoreSlot {
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Those that ever change. */
  readonly changes: (name: string) => boolean;
}

export interface Store extends Disposable {
  has(slot: string, name: string): boolean;
  /** The array as it is. */
  now(slot: string, name: string): Resident;
  /** Where its next value goes. */
  next(slot: string, name: string): Resident;
  /** The next values of these slots are the values now. */
  flip(slots: Iterable<string>): void;
  /** Names the sides that hold the values now. */
  sides(): string;
  /** Memory → device, all slots. */
  load(): Promise<void>;
  /** Device → memory, of the slots whose name `wants` accepts; nothing moves that is there already. */
  save(wants: (slot: string) => boolean): Promise<void>;
}

interface Shelf {
  readonly copier: Copier;
  readonly tensors: readonly Tensor[];
  readonly sides: readonly [ReadonlyMap<string, Resident>, ReadonlyMap<string, Resident>];
  side: 0 | 1;
  /** Memory holds what the device does. */
  isSaved: boolean;
}

/** Places all arrays on the device. Throws what the engine does when its memory does not suffice. */
export async function openStore(slots: ReadonlyMap<string, StoreSlot>, { engine }: Lab): Promise<Store> {
  const shelves = new Map<string, Shelf>();
  for (const [slot, own] of slots) if (own.tensors.size > 0) shelves.set(slot, await openShelf(own, engine));
  const residents = (shelf: Shelf): Resident[] => [...shelf.sides[shelf.side].values()];
  const at = (slot: string, name: string, turn: 0 | 1): Resident => {
    const { sides, side } = shelves.get(slot)!;
    return sides[(side ^ turn) as 0 | 1].get(name)!;
  };
  return {
    has: (slot, name) => shelves.get(slot)?.sides[0].has(name) ?? false,
    now: (slot, name) => at(slot, name, 0),
    next: (slot, name) => at(slot, name, 1),
    flip(names) {
      for (const name of names) {
        const shelf = shelves.get(name)!;
        shelf.side = shelf.side === 0 ? 1 : 0;
        shelf.isSaved = false;
      }
    },
    sides: () => [...shelves.values()].map(({ side }) => side).join(''),
    async load() {
      for (const shelf of shelves.values()) {
        await shelf.copier.copy(shelf.tensors, residents(shelf));
        shelf.isSaved = true;
      }
    },
    async save(wants) {
      for (const [slot, shelf] of shelves) {
        if (shelf.isSaved || !wants(slot)) continue;
        await shelf.copier.copy(residents(shelf), shelf.tensors);
        shelf.isSaved = true;
      }
    },
    [Symbol.dispose]() {
      for (const { sides, copier } of shelves.values()) {
        for (const resident of [...sides[0].values(), ...sides[1].values()]) resident[Symbol.dispose]();
        copier[Symbol.dispose]();
      }
    },
  };
}

async function openShelf({ tensors, changes }: StoreSlot, engine: Lab['engine']): Promise<Shelf> {
  const names = [...tensors.keys()];
  const values = [...tensors.values()];
  const copier = await openCopier(engine, values);
  const place = async (): Promise<Map<string, Resident>> => {
    const placed = await copier.place(values);
    return new Map(names.map((name, i) => [name, placed[i]!]));
  };
  const first = await place();
  const changing = names.filter(changes);
  if (changing.length === 0) return { copier, tensors: values, sides: [first, first], side: 0, isSaved: true };
  const second = await place();
  for (const name of names) {
    if (changes(name)) continue;
    second.get(name)![Symbol.dispose]();
    second.set(name, first.get(name)!);
  }
  return { copier, tensors: values, sides: [first, second], side: 0, isSaved: true };
}
