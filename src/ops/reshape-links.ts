/**
 * Which channels a Reshape carries along.
 *
 *   dims are matched in runs of equal product: [8, 2, 3] | [4, 12] -> [48] | [4, 12]
 *   inside a run only the outermost axis can be cut: one of its positions is a block of the flat axis
 */

import { type Axis, free, type Link, tie, tieBlocks } from './link.ts';

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
    links.push(...runLinks(x.slice(fromX, i), y.slice(fromY, j)));
  }
  return links;
}

function runLinks(x: readonly Axis[], y: readonly Axis[]): Link[] {
  const [outerX, outerY] = [x[0]!, y[0]!];
  if (x.length === 1 && y.length === 1) return [tie(outerY, outerX, 'kept by reshape')];
  if (y.length === 1) return [tieBlocks(outerX, outerY, outerY.size / outerX.size)];
  if (x.length === 1) return [tieBlocks(outerY, outerX, outerX.size / outerY.size, 'block unfolded')];
  return outerX.size === outerY.size ? [tie(outerY, outerX, 'outer axis of a regrouped run')] : [];
}
