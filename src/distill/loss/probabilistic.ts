/** The chance that one sample is another's neighbour is the teacher's. */

import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import type { Loss } from '../../train/loss/loss.ts';
import { mean, overPairs, type Pair, pooled, timesTurned, unitRows } from './feature.ts';

const TINY = 1e-7;

/**
 * mean(p log((p + ε) / (q + ε))), p and q [N, N] = (cosine + 1) / 2, rows summing to 1.
 *
 * Shapes   F [N, C, H, W] is averaged over places, anything else flattened.
 * Source   Passalis and Tefas 2018, arXiv:1803.10837, as in mdistiller. The usual weight is 30000.
 */
export const probabilistic = (pairs: readonly Pair[]): Loss =>
  overPairs(pairs, (g, student, teacher) => {
    const [q, p] = [neighbours(g, pooled(g, student)), neighbours(g, pooled(g, teacher))];
    return mean(g, g.Mul(p, g.Sub(g.Log(g.Add(p, TINY)), g.Log(g.Add(q, TINY)))));
  });

function neighbours(g: Builder, x: StaticValue): StaticValue {
  const unit = unitRows(g, x);
  const near = g.Mul(g.Add(timesTurned(g, unit, unit), 1), 0.5);
  return g.Div(near, g.ReduceSum(near, [1], { keepdims: 1 }));
}
