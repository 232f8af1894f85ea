/** Among all of a batch, the student's embedding of a sample is nearest to the teacher's of the same sample. */

import { int64 } from '../../graph/tensor.ts';
import type { Loss } from '../../train/loss/loss.ts';
import { overPairs, type Pair, pooled, timesTurned, unitRows } from './feature.ts';

/**
 * Cross-entropy of r(F_s) · F_tᵀ / τ against "the same sample", both at length 1: contrastive distillation with the
 * rest of the batch as negatives.
 *
 * Shapes   F [N, C, H, W] is averaged over places, anything else flattened; r is a learnt adapter (`withAdapters`).
 * Source   Tian et al. 2020, arXiv:1910.10699, in the in-batch form (van den Oord et al. 2018, arXiv:1807.03748).
 */
export const contrast = (pairs: readonly Pair[], { tau = 0.07 } = {}): Loss =>
  overPairs(
    pairs,
    (g, student, teacher) => {
      const [s, t] = [student, teacher].map((x) => unitRows(g, pooled(g, x)));
      const alike = g.Mul(timesTurned(g, s!, t!), 1 / tau);
      const N = alike.dims[0]!;
      const own = g.constant(
        int64(
          [N],
          Array.from({ length: N }, (_, i) => i),
        ),
        'own',
      );
      return g.emit('SoftmaxCrossEntropyLoss', [alike, own], { reduction: 'mean' })[0]!;
    },
    true,
  );
