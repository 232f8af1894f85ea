/** Distances between samples, and angles between three of them, are the teacher's. */

import { float32 } from '../../graph/tensor.ts';
import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import type { Loss } from '../../train/loss/loss.ts';
import { mean, overPairs, type Pair, pooled, smoothAbsolute, timesTurned, total, unitRows } from './feature.ts';

export interface RelationOptions {
  /** Weight of the distances. Default 25. */
  distance?: number;
  /** Weight of the angles. Default 50. */
  angle?: number;
}

/** Below this a squared distance counts as this. */
const TINY = 1e-12;

/**
 * distance · H(D_s / mean D_s − D_t / mean D_t) + angle · H(A_s − A_t), H the mean smooth absolute value,
 * D [N, N] distances, A [N, N, N] cosines between the directions from one sample to two others.
 *
 * Shapes   F [N, C, H, W] is averaged over places, anything else flattened. Memory grows with N³ + N² d.
 * Source   Park et al. 2019, arXiv:1904.05068, as in mdistiller.
 */
export const relations = (pairs: readonly Pair[], { distance = 25, angle = 50 }: RelationOptions = {}): Loss =>
  overPairs(pairs, (g, student, teacher) => {
    const [s, t] = [pooled(g, student), pooled(g, teacher)];
    const far = mean(g, smoothAbsolute(g, g.Sub(distances(g, s), distances(g, t))));
    const turn = mean(g, smoothAbsolute(g, g.Sub(angles(g, s), angles(g, t))));
    return g.Add(g.Mul(far, distance), g.Mul(turn, angle));
  });

/** Distances over their mean, 0 on the diagonal [N, N]. */
function distances(g: Builder, x: StaticValue): StaticValue {
  const N = x.dims[0]!;
  const square = g.ReduceSum(g.Mul(x, x), [1], { keepdims: 1 }); // [N, 1]
  const sums = g.Add(square, g.Transpose(square, { perm: [1, 0] }));
  const squared = g.Sub(sums, g.Mul(timesTurned(g, x, x), 2));
  const off = Float32Array.from({ length: N * N }, (_, i) => (i % (N + 1) === 0 ? 0 : 1));
  const apart = g.Mul(g.Sqrt(g.Max(squared, TINY)), g.constant(float32([N, N], off), 'off_diagonal'));
  return g.Div(apart, g.Mul(total(g, apart), 1 / (N * (N - 1))));
}

/** Cosines between the directions from sample i to j and to k [N, N, N]. */
function angles(g: Builder, x: StaticValue): StaticValue {
  const [N, d] = [x.dims[0]!, x.dims[1]!];
  const between = g.Sub(g.reshape(x, [1, N, d]), g.reshape(x, [N, 1, d])); // [i, j, d] = x_j − x_i
  const along = unitRows(g, between, 2);
  return g.MatMul(along, g.Transpose(along, { perm: [0, 2, 1] }));
}
