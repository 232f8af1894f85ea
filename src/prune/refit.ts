/**
 * The readers of a group fitted to the channels that stay, from second moments alone.
 *
 *   W_K ← W_K + (G_KK + λ I)⁻¹ G_KS W_S        K: columns that stay, S: columns that go
 *   b ← b + (W_S − its stand-in)ᵀ m             m: the means of what is read
 *
 * `reconstruct` does better, as it sees what the cut network reads; this costs no further run.
 */

import type { Model } from '../graph/model.ts';
import { numbers } from '../graph/tensor.ts';
import { ridge } from '../linear/cholesky.ts';
import { matrix } from '../linear/matrix.ts';
import type { Slice } from './criterion/criterion.ts';
import type { LayerHessian } from './hessian.ts';
import { tensorLike } from './tensor-like.ts';

/** Share of G's mean diagonal that holds weights where they are. */
const LAMBDA = 0.01;

/** The model, still whole, with what reads these units fitted to go on without them. */
export function refit(model: Model, slices: readonly Slice[], units: readonly number[]): Model {
  const initializers = new Map(model.graph.initializers);
  for (const { role, hessian, columns, name } of slices) {
    const own = initializers.get(name);
    if (role !== 'in' || !hessian || !columns || hessian.isDiagonal || !own) continue;
    const gone = new Set(units.flatMap((unit) => [...columns[unit]!]));
    const W = Float64Array.from(numbers(own));
    const shift = fitGroups(W, hessian, gone);
    initializers.set(name, tensorLike(own, W));
    const constant = hessian.constant && initializers.get(hessian.constant.name);
    if (!constant) continue;
    const { sign } = hessian.constant!;
    const moved = Float64Array.from(numbers(constant), (value, i) => value + sign * shift[i]!);
    initializers.set(hessian.constant!.name, tensorLike(constant, moved));
  }
  return { ...model, graph: { ...model.graph, initializers } };
}

/** Changes W; returns what the constant term must make up for, per output. */
function fitGroups(
  W: Float64Array,
  { groups, width, height, at, gram, mean }: LayerHessian,
  gone: ReadonlySet<number>,
): Float64Array {
  const shift = new Float64Array(groups * height);
  const kept = Array.from({ length: width }, (_, i) => i).filter((i) => !gone.has(i));
  if (kept.length === 0) return shift;
  for (let g = 0; g < groups; g++) {
    const G = (i: number, j: number): number => gram[(g * width + i) * width + j]!;
    const A = matrix(kept.length, kept.length);
    const B = matrix(kept.length, height);
    kept.forEach((i, a) => {
      for (const [b, j] of kept.entries()) A.data[a * kept.length + b] = G(i, j);
      for (const j of gone) for (let o = 0; o < height; o++) B.data[a * height + o]! += G(i, j) * W[at(g, o, j)]!;
    });
    if (!A.data.some((value) => value !== 0)) continue;
    const step = ridge(A, B, LAMBDA).data;
    for (let o = 0; o < height; o++) {
      for (const j of gone) shift[g * height + o]! += W[at(g, o, j)]! * mean[g * width + j]!;
      kept.forEach((i, a) => {
        W[at(g, o, i)]! += step[a * height + o]!;
        shift[g * height + o]! -= step[a * height + o]! * mean[g * width + i]!;
      });
    }
  }
  return shift;
}
