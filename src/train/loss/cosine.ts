/** The angle between output and target. */

import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import type { Loss } from './loss.ts';

/** x [N, D] with rows of length 1; rows shorter than 1e-8 stay short. */
export const unitRows = (x: StaticValue, g: Builder): StaticValue => {
  const squares = g.ReduceSum(g.Mul(x, x), [1]); // [N, 1]
  return g.Div(x, g.Sqrt(g.Max(squares, 1e-16)));
};

/** mean(1 − cos(y, t)) over the batch. Shapes: output y [N, D] against labels t [N, D] float32. */
export const cosineDistance =
  (): Loss =>
  (g, { output, column }) => {
    const target = column('labels', 'float32', output.dims.slice(1));
    const cosines = g.ReduceSum(g.Mul(unitRows(output, g), unitRows(target, g)), [1], { keepdims: 0 }); // [N]
    return g.Sub(1, g.ReduceMean(cosines, [0], { keepdims: 0 }));
  };
