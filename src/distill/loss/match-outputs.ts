/** The student learns the teacher's outputs as numbers: for regression, embeddings and reconstructions. */

import type { Loss } from '../../train/loss/loss.ts';
import { TEACHER } from './soft-targets.ts';

/** mean((student − teacher)²). Shapes: outputs [N, ...], the teacher's from the column `teacher`. */
export const matchOutputs =
  (): Loss =>
  (g, { logits, column }) => {
    const difference = g.Sub(logits, column(TEACHER, 'float32', logits.dims.slice(1)));
    return g.ReduceMean(g.Mul(difference, difference), { keepdims: 0 });
  };
