/**
 * Which channels a Reshape carries along.
 *
 *   dims are matched in runs of equal product:      [8, 2, 3] | [4, 12] -> [48] | [4, 12]
 *   a run falls into the finest parts of both sides: [2, 64] -> [8, 16] holds 2 · 4 · 16
 *   one part of a run can be cut: the outermost, or else one inside it (of 4 heads that lie in 64 and in 2 · 4)
 */

import { type Axis, choice, free, type Link, tie, tieBlocks, tieInside } from './link.ts';

/** Links between the axes of a tensor and the axes of the same elements under other dimensions. */
export function reshapeLinks(X: readonly Axis[], Y: readonly Axis[]): Link[] {
  const links: Link[] = [];
  for (const axis of [...X, ...Y]) if (axis.size === 1) links.push(free(axis));
  const x = X.filter(({ size }) => size !== 1);
  const y = Y.filter(({ size }) => size !== 1);
  let [i, j] = [0, 0];
  while (i < x.length && j < y.length) {
    const [fromX, fromY] = [i, j];
    let left = x[i++]!.size;
    let right = y[j++]!.size;
    while (left !== right) {
      if (left < right && i < x.length) left *= x[i++]!.size;
      else if (right < left && j < y.length) right *= y[j++]!.size;
      else return links;
    }
    const [a, b] = [x.slice(fromX, i), y.slice(fromY, j)];
    if (a.length === 1 && b.length === 1) links.push(tie(b[0]!, a[0]!, 'kept by reshape'));
    else {
      const options = partsOf(a, b);
      if (options.length > 0) links.push(options.length === 1 ? options[0]![0]! : choice(...options));
    }
  }
  return links;
}

/** The parts of a run that lie whole in one axis of either side, the outermost first, each with its link. */
function partsOf(x: readonly Axis[], y: readonly Axis[]): (readonly [Link])[] {
  const borders = [...new Set([...bordersOf(x), ...bordersOf(y)])].sort((a, b) => b - a);
  return borders.slice(0, -1).flatMap((outside, at): (readonly [Link])[] => {
    const inside = borders[at + 1]!;
    const size = outside / inside;
    const [a, b] = [around(x, outside, inside), around(y, outside, inside)];
    if (!Number.isInteger(size) || size === 1 || !a || !b) return [];
    const [wide, narrow] = a.inside >= b.inside ? [a, b] : [b, a];
    const isOuter = at === 0 && narrow.axis.size === size;
    return [
      [
        isOuter
          ? tieBlocks(narrow.axis, wide.axis, wide.inside, 'outermost of the run')
          : tieInside(a.axis, a.inside, b.axis, b.inside, size),
      ],
    ];
  });
}

/** Elements of the run that lie inside the beginning of each axis, and 1. */
function bordersOf(axes: readonly Axis[]): number[] {
  const borders = [1];
  for (const { size } of axes.toReversed()) borders.push(borders.at(-1)! * size);
  return borders.reverse();
}

/** The axis that holds the part between two borders, and how many of its positions lie inside one of the part. */
function around(axes: readonly Axis[], outside: number, inside: number): { axis: Axis; inside: number } | undefined {
  const borders = bordersOf(axes);
  const at = axes.findIndex((_, i) => borders[i]! >= outside && borders[i + 1]! <= inside);
  const axis = axes[at];
  if (!axis) return undefined;
  const own = inside / borders[at + 1]!;
  return Number.isInteger(own) && axis.size % (own * (outside / inside)) === 0 ? { axis, inside: own } : undefined;
}
