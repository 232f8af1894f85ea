/** The student learns the teacher's softened probabilities. */

import { sizeOf } from '../../graph/tensor.ts';
import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import type { Loss } from '../../train/loss/loss.ts';

/** The name of the column that holds the teacher's logits. */
export const TEACHER = 'teacher';

/**
 * KL(teacher ‖ student) of softened logits, mean over the batch (and over the places of a sequence), times T² so that
 * the slope's size does not move with T.
 *
 *   L = T² / N · Σ_k p_k (log p_k − log q_k),   p = softmax(t / T), q = softmax(s / T);   dL/ds = T (q − p) / N
 *
 * Shapes   student and teacher logits [N, ..., K], or [N, K, 1, 1]; the teacher's come from the data set's column `teacher`.
 * Source   Hinton et al. 2015, arXiv:1503.02531.
 */
export const softTargets =
  ({ T = 4 } = {}): Loss =>
  (g, { logits, column }) =>
    softened(g, logits, column(TEACHER, 'float32', logits.dims.slice(1)), T);

/** The loss of `softTargets` on two values [N, ..., K]; axes of one behind the classes do not count. */
export function softened(g: Builder, student: StaticValue, teacher: StaticValue, T: number): StaticValue {
  const classes = student.dims.findLastIndex((dim, axis) => dim !== 1 || axis === 1);
  const flat = (x: StaticValue): StaticValue =>
    classes === x.dims.length - 1 ? x : g.reshape(x, x.dims.slice(0, classes + 1));
  const logP = g.LogSoftmax(g.Mul(flat(teacher), 1 / T)); // [N, ..., K]
  const logQ = g.LogSoftmax(g.Mul(flat(student), 1 / T)); // [N, ..., K]
  const kl = g.ReduceSum(g.Mul(g.Exp(logP), g.Sub(logP, logQ)), { keepdims: 0 }); // []
  return g.Mul(kl, (T * T) / sizeOf(student.dims.slice(0, classes)));
}
