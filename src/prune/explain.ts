/** A group in words: cutting these positions here cuts those there, because. */

import type { Group, Place, Solved, Tie } from './group.ts';

const keyOf = ({ value, axis }: { value: string; axis: number }): string => `${value}[${axis}]`;

/**
 * One numbered line per place of the group, each with the tie that leads to it.
 *
 * `units` are the channels to follow; default: all of the group.
 */
export function explain(
  solved: Solved,
  group: Group,
  units: readonly number[] = [...Array(group.size).keys()],
): string[] {
  const places = new Map(group.places.map((place) => [keyOf(place), place]));
  const nearby = neighbours(solved.ties, places);
  const root = group.places.find(({ isWeight }) => isWeight)!;
  const lines = [`1. cutting ${show(root, units)}`];
  const numbers = new Map([[keyOf(root), 1]]);
  const queue = [root];
  for (let place = queue.shift(); place; place = queue.shift()) {
    for (const { to, tie } of nearby.get(keyOf(place)) ?? []) {
      if (numbers.has(keyOf(to))) continue;
      numbers.set(keyOf(to), numbers.size + 1);
      const what = to.isWeight ? 'weight' : 'value';
      const from = numbers.get(keyOf(place));
      lines.push(
        `${numbers.size}. cuts the ${what} ${show(to, units)}, because of ${from}: ${tie.why} (${tie.node.op} "${tie.node.name || tie.node.outputs[0]}")`,
      );
      queue.push(to);
    }
  }
  return lines;
}

function neighbours(ties: readonly Tie[], places: ReadonlyMap<string, Place>): Map<string, { to: Place; tie: Tie }[]> {
  const nearby = new Map<string, { to: Place; tie: Tie }[]>();
  for (const tie of ties) {
    const [a, b] = [places.get(keyOf(tie.a)), places.get(keyOf(tie.b))];
    if (!a || !b || a === b) continue;
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const list = nearby.get(keyOf(from));
      if (list) list.push({ to, tie });
      else nearby.set(keyOf(from), [{ to, tie }]);
    }
  }
  return nearby;
}

const show = (place: Place, units: readonly number[]): string => {
  const positions = units.flatMap((unit) =>
    Array.from(place.positions.subarray(unit * place.each, (unit + 1) * place.each)),
  );
  return `${keyOf(place)} at ${showPositions(positions.sort((a, b) => a - b))}`;
};

/** "0-15", "3, 7, 9-12": runs shortened, the rest counted. */
function showPositions(positions: readonly number[], most = 6): string {
  const runs: [number, number][] = [];
  for (const position of positions) {
    const last = runs[runs.length - 1];
    if (last && position === last[1] + 1) last[1] = position;
    else runs.push([position, position]);
  }
  const shown = runs.slice(0, most).map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`));
  return shown.join(', ') + (runs.length > most ? `, … (${positions.length} in all)` : '');
}
