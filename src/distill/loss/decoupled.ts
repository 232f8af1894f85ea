/** The teacher's certainty and its dark knowledge, weighted apart. */

import { float32, int64, sizeOf } from '../../graph/tensor.ts';
import type { Loss } from '../../train/loss/loss.ts';
import { TEACHER } from './soft-targets.ts';

export interface DecoupledOptions {
  /** Weight of the target's own share. Default 1. */
  alpha?: number;
  /** Weight of the distribution among the other classes; 2 to 8 by pair. Default 8. */
  beta?: number;
  /** Temperature. Default 4. */
  T?: number;
  /** What counts as the target: the labels, or the teacher's answer where there are none. Default 'labels'. */
  target?: 'labels' | 'teacher';
}

/** Takes the target out of a softmax, as the authors' code does. */
const GONE = 1000;

/**
 * α · KL([p_t, 1 − p_t] ‖ [q_t, 1 − q_t]) + β · KL(p̂ ‖ q̂), times T² / N; p̂ and q̂ are the softmax without the target.
 *
 * Shapes   student and teacher logits [N, K], labels [N] int64.
 * Source   Zhao et al. 2022, arXiv:2203.08679, as in mdistiller.
 */
export const decoupled =
  ({ alpha = 1, beta = 8, T = 4, target = 'labels' }: DecoupledOptions = {}): Loss =>
  (g, { logits, column }) => {
    const [N, K] = [logits.dims[0]!, logits.dims[1]!];
    const teacher = column(TEACHER, 'float32', logits.dims.slice(1)); // [N, K]
    const classes = g.constant(
      int64(
        [1, K],
        Array.from({ length: K }, (_, k) => k),
      ),
      'classes',
    );
    const answer =
      target === 'labels'
        ? g.Unsqueeze(column('labels', 'int64', []), [1])
        : g.ArgMax(teacher, { axis: 1, keepdims: 1 }); // [N, 1]
    const mask = g.Cast(g.Equal(answer, classes), { to: 1 }); // [N, K], 1 at the target
    const others = g.Sub(g.constant(float32([], [1]), 'one'), mask);
    const [t, s] = [g.Mul(teacher, 1 / T), g.Mul(logits, 1 / T)];
    const [P, Q] = [g.Softmax(t), g.Softmax(s)];
    const parts = [mask, others].map((share) => {
      const p = g.ReduceSum(g.Mul(P, share), [1], { keepdims: 0 }); // [N]
      const q = g.ReduceSum(g.Mul(Q, share), [1], { keepdims: 0 });
      const safe = (x: typeof p) => g.Log(g.Max(x, 1e-12));
      return g.Mul(p, g.Sub(safe(p), safe(q)));
    });
    const tckd = g.ReduceSum(g.Add(parts[0]!, parts[1]!), { keepdims: 0 });
    const away = g.Mul(mask, GONE);
    const logP = g.LogSoftmax(g.Sub(t, away));
    const logQ = g.LogSoftmax(g.Sub(s, away));
    const nckd = g.ReduceSum(g.Mul(g.Exp(logP), g.Sub(logP, logQ)), { keepdims: 0 });
    const scale = (T * T) / sizeOf([N]);
    return g.Add(g.Mul(tckd, alpha * scale), g.Mul(nckd, beta * scale));
  };
