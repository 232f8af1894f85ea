/** A loss is a few nodes behind the model's output; what else it reads (labels, recorded outputs) it asks for by name. */

import { LABELS } from '../../data/dataset.ts';
import type { DType } from '../../graph/dtype.ts';
import { tensor } from '../../graph/tensor.ts';
import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';

export interface Outcome {
  /** The model's first output. */
  readonly output: StaticValue;
  /** What a final softmax or sigmoid reads, else the output. */
  readonly logits: StaticValue;
  /** Any value of the model by name. */
  readonly value: (name: string) => StaticValue;
  /** A column of the data set, as a graph input [batch, ...dims]. */
  readonly column: (name: string, dtype: DType, dims: readonly number[]) => StaticValue;
}

/** Appends nodes and gives the scalar to minimise. */
export type Loss = (g: Builder, outcome: Outcome) => StaticValue;

/** A weighted sum of losses. */
export const weightedSum =
  (...terms: readonly (readonly [weight: number, loss: Loss])[]): Loss =>
  (g, outcome) =>
    terms.map(([weight, loss]) => g.Mul(loss(g, outcome), weight)).reduce((a, b) => g.Add(a, b));

/**
 * The loss of output / std against labels / std: the same learning rate then suits labels of any unit.
 *
 * `std` has a number for each of a sample's labels.
 */
export const inUnitsOf =
  (std: readonly number[], loss: Loss): Loss =>
  (g, { output, column, ...rest }) => {
    const scaled = (x: StaticValue): StaticValue => {
      const factors = g.constant(
        tensor(
          'float32',
          [std.length],
          std.map((value) => 1 / value),
        ),
        'label_units',
      );
      const rows = x.dims.length === 2 && x.dims[1] === std.length ? x : g.reshape(x, [x.dims[0]!, std.length]);
      return g.reshape(g.Mul(rows, factors), x.dims);
    };
    return loss(g, {
      ...rest,
      output: scaled(output),
      column: (name, dtype, dims) => (name === LABELS ? scaled(column(name, dtype, dims)) : column(name, dtype, dims)),
    });
  };
