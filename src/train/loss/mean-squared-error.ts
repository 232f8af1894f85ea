/** Squared differences, averaged. */

import type { Loss } from './loss.ts';

/** mean((y − t)²) over all elements. Shapes: output [N, ...] against labels [N, ...] float32. */
export const meanSquaredError =
  (): Loss =>
  (g, { output, column }) => {
    const target = column('labels', 'float32', output.dims.slice(1));
    const difference = g.Sub(output, target);
    return g.ReduceMean(
      g.Mul(difference, difference),
      output.dims.map((_, i) => i),
      { keepdims: 0 },
    );
  };
