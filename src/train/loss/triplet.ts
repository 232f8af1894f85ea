/** Embeddings of one class come together, those of different classes move apart: the hardest triplets of each batch. */

import type { Loss } from './loss.ts';

export interface TripletOptions {
  /** How much farther the nearest stranger must be than the farthest relative. Default 0.2. */
  margin?: number;
}

/** Added to what must not be the least, taken from what must not be the greatest. */
const FAR = 1e9;

/**
 * mean over anchors of max(0, d(a, farthest of its class) − d(a, nearest of another) + margin), d Euclidean.
 *
 * Shapes   output [N, D], labels [N] int64. A batch should hold several samples of several classes.
 * Source   Hermans et al. 2017, arXiv:1703.07737 (batch hard).
 */
export const triplet =
  ({ margin = 0.2 }: TripletOptions = {}): Loss =>
  (g, { output: x, column }) => {
    const n = x.dims[0]!;
    const labels = column('labels', 'int64', []);
    const same = g.Cast(g.Equal(g.reshape(labels, [n, 1]), g.reshape(labels, [1, n])), { to: 1 }); // [N, N]
    const squares = g.ReduceSum(g.Mul(x, x), [1]); // [N, 1]
    const products = g.MatMul(x, g.Transpose(x, { perm: [1, 0] })); // [N, N]
    const squared = g.Sub(g.Add(squares, g.Transpose(squares, { perm: [1, 0] })), g.Mul(products, 2));
    const distance = g.Sqrt(g.Max(squared, 1e-12));
    const relatives = g.Sub(distance, g.Mul(g.Sub(1, same), FAR));
    const strangers = g.Add(distance, g.Mul(same, FAR));
    const worst = g.Sub(g.ReduceMax(relatives, [1]), g.ReduceMin(strangers, [1])); // [N, 1]
    return g.ReduceMean(g.Relu(g.Add(worst, margin)), [0, 1], { keepdims: 0 });
  };
