/** Mean and spread of the numbers to predict. */

import { sizeOf } from '../graph/tensor.ts';
import { type Dataset, LABELS } from './dataset.ts';

export interface Spread {
  /** Per number of a sample's labels. */
  readonly mean: readonly number[];
  /** The same; 1 where all are equal. */
  readonly std: readonly number[];
}

/** Samples read at once. */
const CHUNK = 4096;

/** Over all samples, in double precision. The set must have labels that are numbers. */
export function spreadOf(data: Dataset): Spread {
  const width = sizeOf(data.labels!.dims);
  const [sum, squares] = [new Float64Array(width), new Float64Array(width)];
  const first = new Float32Array(width);
  data.fill(LABELS, [0], first); // sums are taken of differences to it, so that large means cost no digits
  for (let from = 0; from < data.size; from += CHUNK) {
    const count = Math.min(CHUNK, data.size - from);
    const labels = new Float32Array(count * width);
    data.fill(
      LABELS,
      Int32Array.from({ length: count }, (_, i) => from + i),
      labels,
    );
    labels.forEach((label, i) => {
      const difference = label - first[i % width]!;
      sum[i % width]! += difference;
      squares[i % width]! += difference ** 2;
    });
  }
  const mean = Array.from(sum, (total, k) => first[k]! + total / data.size);
  const variance = Array.from(squares, (total, k) => total / data.size - (sum[k]! / data.size) ** 2);
  return { mean, std: variance.map((value) => (value > 0 ? Math.sqrt(value) : 1)) };
}
