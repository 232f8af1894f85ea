/** A metric is a running sum over batches. */

export interface Metric {
  readonly name: string;
  /** Whether more or less is better. Default 'more'. */
  readonly better?: 'more' | 'less';
  /** Starts counting. */
  readonly start: () => Count;
}

export interface Count {
  /** `output` holds `samples` rows of `width` numbers; `labels` as many class numbers or rows of targets. */
  see(output: Float32Array, labels: Float32Array | BigInt64Array, samples: number, width: number): void;
  value(): number;
}

/** The index of the largest of `width` numbers from `at`; the first where several are. */
export function argmax(values: Float32Array, at: number, width: number): number {
  let best = 0;
  for (let k = 1; k < width; k++) if (values[at + k]! > values[at + best]!) best = k;
  return best;
}

/** The class that a row of outputs stands for: the largest, or for a single logit whether it is above 0. */
export const predicted = (values: Float32Array, at: number, width: number): number =>
  width === 1 ? Number(values[at]! > 0) : argmax(values, at, width);
