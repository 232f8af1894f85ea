/** Two views of a sample find each other among the views of all others. */

import { int64 } from '../../graph/tensor.ts';
import { unitRows } from './cosine.ts';
import type { Loss } from './loss.ts';

export interface InfoNceOptions {
  /** The value of the model [N, D] that holds the other view; the first output holds the one. */
  other: string;
  /** Cosines are divided by it. Default 0.1. */
  temperature?: number;
}

/**
 * Cross-entropy of row i of cos(a, b) / T against class i, in both directions, halved.
 *
 * Shapes   output a and value b [N, D].
 * Source   van den Oord et al. 2018, arXiv:1807.03748; both directions as in Radford et al. 2021, arXiv:2103.00020.
 */
export const infoNce =
  ({ other, temperature = 0.1 }: InfoNceOptions): Loss =>
  (g, { output, value }) => {
    const n = output.dims[0]!;
    const cosines = g.MatMul(unitRows(output, g), g.Transpose(unitRows(value(other), g), { perm: [1, 0] })); // [N, N]
    const logits = g.Mul(cosines, 1 / temperature);
    const own = g.constant(
      int64(
        [n],
        Array.from({ length: n }, (_, i) => i),
      ),
      'own_row',
    );
    const entropy = (x: typeof logits): typeof logits =>
      g.emit('SoftmaxCrossEntropyLoss', [x, own], { reduction: 'mean' })[0]!;
    return g.Mul(g.Add(entropy(logits), entropy(g.Transpose(logits, { perm: [1, 0] }))), 0.5);
  };
