/** A series of rows in order as samples: so many steps, and what comes after them. */

import { PareError } from '../base/error.ts';
import { type Dataset, LABELS } from './dataset.ts';

export interface WindowOptions {
  /** Rows per sample. */
  readonly length: number;
  /** How many rows behind the window's last one the target stands. Default 1. */
  readonly horizon?: number;
  /** Rows from one sample to the next. Default 1. */
  readonly stride?: number;
}

/**
 * Windows over a data set whose samples are steps in order; nothing is copied.
 *
 * Shapes   inputs [D…] → [length, D…]; labels as those of the row that is `horizon` behind the window.
 * Throws   data/window when there are too few rows for one sample.
 */
export function windows(rows: Dataset, { length, horizon = 1, stride = 1 }: WindowOptions): Dataset {
  const reach = length + (rows.labels ? horizon : 0);
  const size = Math.floor((rows.size - reach) / stride) + 1;
  const whole =
    [length, stride].every((n) => Number.isInteger(n) && n > 0) && Number.isInteger(horizon) && horizon >= 0;
  if (!whole || size < 1) {
    throw new PareError('data/window', `"${rows.name}" does not make a window.`, {
      where: rows.name,
      expected: `at least ${reach} rows`,
      got: `${rows.size}, length ${length}, horizon ${horizon}, stride ${stride}`,
    });
  }
  const steps = (indices: ArrayLike<number>): Int32Array =>
    Int32Array.from(
      { length: indices.length * length },
      (_, i) => indices[Math.floor(i / length)]! * stride + (i % length),
    );
  const targets = (indices: ArrayLike<number>): Int32Array =>
    Int32Array.from(indices, (index) => index * stride + length - 1 + horizon);
  return {
    ...rows,
    size,
    inputs: Object.fromEntries(
      Object.entries(rows.inputs).map(([name, column]) => [name, { ...column, dims: [length, ...column.dims] }]),
    ),
    fill: (column, indices, into) => rows.fill(column, column === LABELS ? targets(indices) : steps(indices), into),
    ...(rows.prepare && {
      prepare: (indices: ArrayLike<number>) =>
        rows.prepare!([...steps(indices), ...(rows.labels ? targets(indices) : [])]),
    }),
    ...(rows.atEpoch && { atEpoch: (epoch: number) => windows(rows.atEpoch!(epoch), { length, horizon, stride }) }),
  };
}
