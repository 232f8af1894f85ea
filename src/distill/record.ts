/** A teacher's outputs, recorded once and read like any other column of the data set. */

import { PareError } from '../base/error.ts';
import type { Dataset } from '../data/dataset.ts';
import { bind, fixedBatch, portsOf } from '../data/port.ts';
import type { TypedArray } from '../graph/dtype.ts';
import { floats, sizeOf } from '../graph/tensor.ts';
import { logitsOf } from '../nn/logits.ts';
import type { Lab } from '../runtime/index.ts';
import { predictAll } from '../train/predict.ts';
import { TEACHER_PREFIX } from './loss/feature.ts';
import { TEACHER } from './loss/soft-targets.ts';
import { teacherRun } from './run-teacher.ts';
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
  readonly features?: Readonly<Record<string, Recording>>;
  /** Writes the outputs of these samples one after the other. */
  read(indices: ArrayLike<number>, into: Float32Array): void;
}

export interface RecordOptions {
  /** Inner values of the (first) teacher to record too. */
  readonly features?: readonly string[] | undefined;
  /** Samples per run. Default 64, as `fit` has, or all when there are fewer. */
  readonly batch?: number | undefined;
}

/** What the teacher's input insists on, else `wish`, else 64. */
export function batchOf(teachers: Teacher | readonly Teacher[], data: Dataset, wish = 64): number {
  const { graph } = listOf(teachers)[0]!.model;
  return fixedBatch(graph) ?? Math.min(wish, data.size);
}

/**
 * The outputs of the teacher (or of several: the weighted mean of their logits) on every sample.
 *
 * It runs in the form in which it would stand beside a learning student, so that what is recorded is what the student
 * would have seen, to the bit where the batch is the same.
 */
export async function record(
  teachers: Teacher | readonly Teacher[],
  data: Dataset,
  lab: Lab,
  { features = [], batch }: RecordOptions = {},
): Promise<Recorded> {
  const run = teacherRun(frozenTeacher(teachers, features), data, batchOf(teachers, data, batch), lab);
  if (!run) return await asUsed(teachers, features, data, lab);
  const all = [...run.dims].map(([name, dims]) => ({ name, dims, values: new Float32Array(data.size * sizeOf(dims)) }));
  let at = 0;
  for await (const { count, values } of run.answers(0, lab)) {
    for (const { name, dims, values: into } of all)
      into.set(floats(values[name]!).subarray(0, count * sizeOf(dims)), at * sizeOf(dims));
    at += count;
  }
  const [logits, ...inner] = all.map(({ dims, values }) => ({ dims, values }));
  return {
    ...logits!,
    ...(features.length > 0 && { features: Object.fromEntries(features.map((name, i) => [name, inner[i]!])) }),
  };
}

/** One teacher as the engine runs it in use: for models whose shapes are not known ahead, or whose types are narrow. */
async function asUsed(
  teachers: Teacher | readonly Teacher[],
  features: readonly string[],
  data: Dataset,
  lab: Lab,
): Promise<Recorded> {
  const [only, ...more] = listOf(teachers);
  if (more.length > 0 || features.length > 0) {
    throw new PareError(
      'distill/shape',
      'The shapes of a teacher are not known ahead, so only its outputs can be recorded.',
      {
        expected: 'one teacher, no inner values',
      },
    );
  }
  const { model } = only!;
  return await predictAll(
    model,
    bind(data, portsOf(model.graph)),
    logitsOf(model.graph),
    { task: 'record teacher' },
    lab,
  );
}

/** The data set with recorded outputs as its column `teacher`, and recorded inner values as `teacher/NAME`. */
export function withTeacher(data: Dataset, recorded: Recorded | Recording): Dataset {
  const columns = new Map<string, Recording>([[TEACHER, reading(recorded)]]);
  for (const [name, feature] of Object.entries(recorded.features ?? {}))
    columns.set(`${TEACHER_PREFIX}${name}`, reading(feature));
  const added = [...columns].map(([name, { dims }]) => [name, { dtype: 'float32' as const, dims }]);
  return {
    ...data,
    inputs: { ...data.inputs, ...Object.fromEntries(added) },
    fill(column: string, indices: ArrayLike<number>, into: TypedArray): void {
      const own = columns.get(column);
      if (own) own.read(indices, into as Float32Array);
      else data.fill(column, indices, into);
    },
  };
}

function reading(recorded: Recorded | Recording): Recording {
  if ('read' in recorded) return recorded;
  const { dims, values } = recorded;
  const width = sizeOf(dims);
  return {
    dims,
    read: (indices, into) => {
      for (let i = 0; i < indices.length; i++)
        into.set(values.subarray(indices[i]! * width, (indices[i]! + 1) * width), i * width);
    },
  };
}
