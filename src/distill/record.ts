/** A teacher's outputs, recorded once and read like any other column of the data set. */

import { PareError } from '../base/error.ts';
import { batches, bind, type Dataset, portsOf } from '../data/index.ts';
import type { TypedArray } from '../graph/dtype.ts';
import { removeDead } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { elements, floats, sizeOf, type Tensor, zeros } from '../graph/tensor.ts';
import { logitsOf } from '../nn/logits.ts';
import { infer } from '../ops/infer.ts';
import { lower } from '../rewrite/lower/lower.ts';
import { type Lab, stopIfAborted } from '../runtime/index.ts';
import { predictAll } from '../train/predict.ts';
import { columnsOf, engineBytes, withStatedOutputs } from '../train/program.ts';
import { learningForm } from '../train/learning-form.ts';
import { TEACHER_PREFIX } from './loss/feature.ts';
import { TEACHER } from './loss/soft-targets.ts';
import { frozenTeacher, listOf, type Teacher } from './teacher.ts';

/** Outputs in memory. */
export interface Recorded {
  /** Dimensions of one sample's output. */
  readonly dims: readonly number[];
  /** [N, ...dims], logits where the teacher ends in a softmax. */
  readonly values: Float32Array;
  /** Inner values of the teacher by name, likewise. */
  readonly features?: Readonly<Record<string, Recorded>>;
}

/** Outputs that are read where they lie. */
export interface Recording {
  readonly dims: readonly number[];
  /** Writes the outputs of these samples one after the other. */
  read(indices: ArrayLike<number>, into: Float32Array): void;
  readonly features?: Readonly<Record<string, Recording>>;
}

export interface RecordOptions {
  /** Inner values of the (first) teacher to record too. */
  readonly features?: readonly string[] | undefined;
  /** Samples per run. Default 64, as `fit` has; the numbers do not depend on it beyond rounding. */
  readonly batch?: number | undefined;
  /** First sample to record. Default 0. */
  readonly from?: number | undefined;
}

/** Outputs of one run, by name; `count` samples are their own. */
interface Frame {
  readonly count: number;
  readonly values: Readonly<Record<string, Tensor>>;
}

/**
 * The outputs of the teacher (or of several) on every sample.
 *
 * It runs in the very form in which it would stand beside a learning student, so that what is recorded is what the
 * student would have seen.
 */
export async function record(
  teachers: Teacher | readonly Teacher[],
  data: Dataset,
  lab: Lab,
  options: RecordOptions = {},
): Promise<Recorded> {
  const { features = [] } = options;
  const known = ownForm(teachers, features, data, options);
  if (!known) return await recordAsUsed(teachers, features, data, lab);
  const names = [TEACHER, ...features.map((name) => `${TEACHER_PREFIX}${name}`)];
  const all = names.map((name) => ({ dims: known.dims.get(name)!.slice(1), values: new Float32Array(0) }));
  for (const one of all) one.values = new Float32Array(data.size * sizeOf(one.dims));
  let at = 0;
  for await (const { count, values } of frames(known, data, options, lab)) {
    names.forEach((name, i) => {
      const width = sizeOf(all[i]!.dims);
      all[i]!.values.set(floats(values[name]!).subarray(0, count * width), at * width);
    });
    at += count;
  }
  const inner = Object.fromEntries(features.map((name, i) => [name, all[i + 1]!]));
  return { ...all[0]!, ...(features.length > 0 && { features: inner }) };
}

/** A teacher ready to be run batch by batch. */
export interface Ready {
  readonly bytes: Uint8Array;
  readonly batch: number;
  readonly columns: ReadonlyMap<string, { readonly dtype: Tensor['dtype']; readonly dims: readonly number[] }>;
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Dimensions of the outputs, batch included. */
  readonly dims: ReadonlyMap<string, readonly number[]>;
}

/** The teacher in the form of a learning graph, or undefined where its shapes or ops are not known well enough. */
export function ownForm(
  teachers: Teacher | readonly Teacher[],
  features: readonly string[],
  data: Dataset,
  { batch = 64 }: RecordOptions,
): ((lab: Lab) => Ready) & { dims: ReadonlyMap<string, readonly number[]> } {
  throw new PareError('internal/bug', `${teachers} ${features} ${data} ${batch}`);
}
