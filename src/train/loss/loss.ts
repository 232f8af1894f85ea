/** A loss is a few nodes behind the model's output; what else it reads (labels, recorded outputs) it asks for by name. */

import type { DType } from '../../graph/dtype.ts';
import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';

export interface Outcome {
  /** The model's first output. */
  readonly output: StaticValue;
  /** What a final softmax reads, else the output. */
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
