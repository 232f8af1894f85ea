/** Which samples make which batch: a pure function of seed and epoch, so any step can be resumed or shared out. */

import { PareError } from '../base/error.ts';
import { random } from '../base/random.ts';

export interface OrderOptions {
  /** Default 0. */
  readonly seed?: number;
  /** Counts from 0. Default 0. */
  readonly epoch?: number;
  /** Default true. */
  readonly shuffle?: boolean;
}

/** The order in which an epoch visits the samples 0 … size − 1. */
export function order(size: number, { seed = 0, epoch = 0, shuffle = true }: OrderOptions = {}): Int32Array {
  const indices = Int32Array.from({ length: size }, (_, i) => i);
  return shuffle ? random(seed, `epoch/${epoch}`).shuffle(indices) : indices;
}

export interface BatchOptions extends OrderOptions {
  /** Samples per batch. */
  readonly batch: number;
  /** Leave out a last batch that is not full. Default false. */
  readonly dropLast?: boolean;
  /** First batch to give, for resuming within an epoch. Default 0. */
  readonly from?: number;
}

/** Batches in one epoch. */
export const batchCount = (
  size: number,
  { batch, dropLast = false }: Pick<BatchOptions, 'batch' | 'dropLast'>,
): number => (dropLast ? Math.floor(size / batch) : Math.ceil(size / batch));

/**
 * The batches of one epoch, as sample numbers (views, not to be written).
 *
 * Throws   data/batch when `batch` is not a positive whole number.
 */
export function* batches(size: number, options: BatchOptions): Generator<Int32Array, void, void> {
  const { batch, from = 0 } = options;
  if (!(Number.isInteger(batch) && batch > 0)) {
    throw new PareError('data/batch', 'A batch is a positive whole number of samples.', { got: `${batch}` });
  }
  const indices = order(size, options);
  for (let i = from; i < batchCount(size, options); i++) {
    yield indices.subarray(i * batch, Math.min((i + 1) * batch, size));
  }
}
