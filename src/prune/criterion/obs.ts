/**
 * What the answers would lose without the channel once every layer that reads it is fitted anew.
 *
 *   score(u) = Σ over readers of what the error grows by when u goes, in the order in which the channels go
 *
 * One after the other the cheapest goes, and the readers are fitted to those that stay: of two channels that tell the same,
 * one is cheap and the other then dear.
 * Source   Hassibi and Stork 1992, "Optimal Brain Surgeon"; Kurtic et al. 2023, "ZipLM", arXiv:2302.04089; Kronecker-factored
 *          curvature: Wang et al. 2019, "EigenDamage", arXiv:1905.05934.
 */

import { type Elimination, elimination } from '../../linear/eliminate.ts';
import type { LayerHessian } from '../hessian.ts';
import type { Criterion, Slice } from './criterion.ts';

export const obs: Criterion = {
  name: 'obs',
  about: 'divergence of the answers once the readers are fitted to what stays; labels are not needed',
  needs: ['weight', 'hessian'],
  isChangeOfLoss: true,
  score: (slice) => scoreTogether([slice]) ?? new Float64Array(slice.units),
  scoreTogether,
};

function scoreTogether(slices: readonly Slice[]): Float64Array | undefined {
  const units = slices[0]!.units;
  const readers = slices.filter(({ role, hessian, columns }) => role === 'in' && hessian && columns);
  const steps = readers.flatMap((slice) => eliminations(slice, slice.hessian!));
  if (steps.length === 0) return silenced(slices, units);
  const scores = new Float64Array(units);
  const open = new Set(scores.keys());
  const costs = new Float64Array(units);
  let last = 0;
  while (open.size > 0) {
    for (const unit of open) costs[unit] = steps.reduce((sum, step) => sum + step.cost(unit), 0);
    const next = [...open].reduce((a, b) => (costs[b]! < costs[a]! ? b : a));
    // A channel that goes later never counts less.
    last = Math.max(last * (1 + 1e-9) + Number.MIN_VALUE, costs[next]!);
    scores[next] = last;
    open.delete(next);
    for (const step of steps) step.remove(next);
  }
  return scores;
}

/** A problem for each group of the layer; sums that are too wide are not fitted, but counted. */
function eliminations(
  slice: Slice,
  { groups, width, height, at, gram, isDiagonal, curvature }: LayerHessian,
): Elimination[] {
  return Array.from({ length: groups }, (_, g): Elimination => {
    const weights = new Float64Array(width * height);
    for (let i = 0; i < width; i++)
      for (let o = 0; o < height; o++) weights[i * height + o] = slice.weight[at(g, o, i)]!;
    const importance = curvature.subarray(g * height, (g + 1) * height);
    const blocks = slice.columns!;
    if (!isDiagonal)
      return elimination({
        gram: gram.subarray(g * width * width, (g + 1) * width * width),
        weights,
        importance,
        blocks,
      });
    const cost = (unit: number): number => {
      let sum = 0;
      for (const i of blocks[unit]!)
        for (let o = 0; o < height; o++) sum += importance[o]! * weights[i * height + o]! ** 2 * gram[g * width + i]!;
      return sum;
    };
    return { cost, remove: () => undefined };
  });
}

/** Nothing linear reads the channels: what is lost where they are made. */
function silenced(slices: readonly Slice[], units: number): Float64Array | undefined {
  const makers = slices.filter(({ role, hessian }) => role === 'out' && hessian);
  if (makers.length === 0) return undefined;
  const scores = new Float64Array(units);
  for (const { hessian, places } of makers) {
    for (let unit = 0; unit < units; unit++)
      for (const place of places(unit)) scores[unit]! += hessian!.curvature[place]! * hessian!.power[place]!;
  }
  return scores;
}
