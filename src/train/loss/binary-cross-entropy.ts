/** Cross-entropy of independent yes-or-no answers. */

import type { StaticValue } from '../../ops/op.ts';
import type { Loss } from './loss.ts';

export interface BinaryCrossEntropyOptions {
  /** Weight of the positive answers against the negative ones. Default 1. */
  positiveWeight?: number;
}

/**
 * mean( p t · softplus(−x) + (1 − t) · softplus(x) ), p = positiveWeight: stable for every x.
 *
 * Shapes   logits x [N, ...] (what a final sigmoid reads, else the output), labels t [N, ...] float32 in 0 … 1.
 * Source   PyTorch's BCEWithLogitsLoss.
 */
export const binaryCrossEntropy =
  ({ positiveWeight = 1 }: BinaryCrossEntropyOptions = {}): Loss =>
  (g, { logits: x, column }) => {
    const t = column('labels', 'float32', x.dims.slice(1));
    const positive = g.Mul(g.Mul(t, positiveWeight), g.Softplus(g.Neg(x)));
    const negative = g.Mul(g.Sub(1, t), g.Softplus(x));
    return meanOfAll(g.Add(positive, negative), g);
  };

/** The mean over every element, as a scalar. */
export const meanOfAll = (x: StaticValue, g: Parameters<Loss>[0]): StaticValue =>
  g.ReduceMean(
    x,
    x.dims.map((_, i) => i),
    { keepdims: 0 },
  );
