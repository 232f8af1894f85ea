/** From ties and wards to groups: every position of every axis falls into one set, and a set is open or protected. */

import type { Graph } from '../graph/model.ts';
import type { Axis } from '../ops/link.ts';
import { disjoint } from './disjoint.ts';
import { type Axes, keyOf, type Ward } from './follow.ts';
import type { Group, Place, Protection, Tie } from './group.ts';

export interface Classes {
  /** Positions of weights that may be cut, over all axes. */
  readonly open: number;
  readonly protections: readonly Protection[];
  /** 'open': some position may be cut; 'shut': none may, and weights are concerned; 'idle': no weight is. */
  readonly stateOf: (axis: Axis) => 'open' | 'shut' | 'idle';
  readonly groups: () => Group[];
}

/** Unites what is tied, and spreads the wards over the sets. */
export function classify(graph: Graph, axes: Axes, ties: readonly Tie[], wards: readonly Ward[]): Classes {
  const pairs = [...axes.values()].flat();
  const start = new Map<string, number>();
  let count = 0;
  for (const { value, axis, size } of pairs) {
    start.set(keyOf(value, axis), count);
    count += size;
  }
  const sets = disjoint(count);
  const tied = new Set<string>();
  for (const { a, b, pairs: each } of ties) {
    const [keyA, keyB] = [keyOf(a.value, a.axis), keyOf(b.value, b.axis)];
    const [fromA, fromB] = [start.get(keyA)!, start.get(keyB)!];
    each((i, j) => sets.unite(fromA + i, fromB + j));
    tied.add(keyA).add(keyB);
  }

  // The first reason that reaches a set is the one that is told.
  const reason = new Map<number, Ward>();
  for (const ward of wards.toSorted((x, y) => x.rank - y.rank)) {
    for (const { value, axis, size } of axes.get(ward.value) ?? []) {
      if (ward.axis !== undefined && ward.axis !== axis) continue;
      const from = start.get(keyOf(value, axis))!;
      for (let i = from; i < from + size; i++) {
        const root = sets.find(i);
        if (!reason.has(root)) reason.set(root, ward);
      }
    }
  }

  const members = new Map<number, Map<number, number[]>>();
  const kept = new Map<string, { ward: Ward; weights: Map<string, Protection['weights'][number]> }>();
  const weighty = new Set<number>();
  let open = 0;
  pairs.forEach(({ value, axis, size }, pair) => {
    const key = keyOf(value, axis);
    const from = start.get(key)!;
    const isWeight = graph.initializers.has(value);
    for (let i = 0; i < size; i++) {
      const root = sets.find(from + i);
      const ward = reason.get(root);
      if (isWeight) weighty.add(root);
      if (ward) {
        if (isWeight && size > 1 && tied.has(key) && !ward.isSilent) note(kept, ward, value, axis);
        continue;
      }
      if (isWeight) open += 1;
      const own = members.get(root) ?? new Map<number, number[]>();
      members.set(root, own);
      const places = own.get(pair);
      if (places) places.push(i);
      else own.set(pair, [i]);
    }
  });
  const stateOf = ({ value, axis, size }: Axis): 'open' | 'shut' | 'idle' => {
    const from = start.get(keyOf(value, axis))!;
    let state: 'shut' | 'idle' = 'idle';
    for (let i = from; i < from + size; i++) {
      const root = sets.find(i);
      if (!reason.has(root)) return 'open';
      if (weighty.has(root)) state = 'shut';
    }
    return state;
  };
  return {
    open,
    stateOf,
    groups: () => groupsOf(graph, pairs, members),
    protections: [...kept.values()].map(({ ward: { why, where }, weights }) => ({
      why,
      where,
      weights: [...weights.values()],
    })),
  };
}

function note(
  kept: Map<string, { ward: Ward; weights: Map<string, Protection['weights'][number]> }>,
  ward: Ward,
  value: string,
  axis: number,
): void {
  const key = `${ward.where}\u0000${ward.why}`;
  const entry = kept.get(key) ?? { ward, weights: new Map() };
  kept.set(key, entry);
  const before = entry.weights.get(keyOf(value, axis))?.channels ?? 0;
  entry.weights.set(keyOf(value, axis), { value, axis, channels: before + 1 });
}

/** Units that touch the same axes equally often, together. */
function groupsOf(
  graph: Graph,
  pairs: readonly Axis[],
  members: ReadonlyMap<number, ReadonlyMap<number, readonly number[]>>,
): Group[] {
  const alike = new Map<string, ReadonlyMap<number, readonly number[]>[]>();
  for (const unit of members.values()) {
    if (![...unit.keys()].some((pair) => graph.initializers.has(pairs[pair]!.value))) continue;
    // The only channel of an axis cannot go.
    if ([...unit].some(([pair, { length }]) => length === pairs[pair]!.size)) continue;
    const signature = [...unit].map(([pair, { length }]) => `${pair}:${length}`).join(' ');
    const list = alike.get(signature);
    if (list) list.push(unit);
    else alike.set(signature, [unit]);
  }
  return [...alike.values()].map((units, id) => {
    const places = [...units[0]!.keys()].map((pair): Place => {
      const { value, axis, size } = pairs[pair]!;
      const each = units[0]!.get(pair)!.length;
      const positions = Int32Array.from(units.flatMap((unit) => unit.get(pair)!));
      return { value, axis, size, each, positions, isWeight: graph.initializers.has(value) };
    });
    const first = places.find(({ isWeight }) => isWeight)!;
    return { id, name: `${first.value}[${first.axis}]`, size: units.length, places };
  });
}
