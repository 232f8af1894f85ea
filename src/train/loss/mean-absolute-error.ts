/** Differences without their sign, averaged. */

import { meanOfAll } from './binary-cross-entropy.ts';
import type { Loss } from './loss.ts';

/** mean |y − t| over all elements. Shapes: output [N, ...] against labels [N, ...] float32. */
export const meanAbsoluteError =
  (): Loss =>
  (g, { output, column }) =>
    meanOfAll(g.Abs(g.Sub(output, column('labels', 'float32', output.dims.slice(1)))), g);
