/** A teacher's outputs, recorded once and read like any other column of the data set. */

import type { Dataset } from '../data/dataset.ts';
import type { TypedArray } from '../graph/dtype.ts';
import type { Model } from '../graph/model.ts';
import { sizeOf } from '../graph/tensor.ts';
import { logitsOf } from '../nn/logits.ts';
import type { Lab } from '../runtime/index.ts';
import { predictAll } from '../train/predict.ts';
import { TEACHER } from './loss/soft-targets.ts';

export interface Recorded {
  /** Dimensions of one sample's output. */
  readonly dims: readonly number[];
  /** [N, ...dims], logits where the teacher ends in a softmax. */
  readonly values: Float32Array;
}

/** The teacher's logits (or outputs) on every sample. */
export async function record(teacher: Model, data: Dataset, lab: Lab): Promise<Recorded> {
  const output = logitsOf(teacher.graph, teacher.graph.outputs[0]!.name);
  return await predictAll(teacher, data, output, { task: 'record teacher' }, lab);
}

/** The data set with the recorded outputs as its column `teacher`. */
export function withTeacher(data: Dataset, { dims, values }: Recorded): Dataset {
  const width = sizeOf(dims);
  return {
    ...data,
    inputs: { ...data.inputs, [TEACHER]: { dtype: 'float32', dims } },
    fill(column: string, indices: ArrayLike<number>, into: TypedArray): void {
      if (column !== TEACHER) {
        data.fill(column, indices, into);
        return;
      }
      const target = into as Float32Array;
      for (let i = 0; i < indices.length; i++)
        target.set(values.subarray(indices[i]! * width, (indices[i]! + 1) * width), i * width);
    },
    ...(data.atEpoch && { atEpoch: (epoch: number) => withTeacher(data.atEpoch!(epoch), { dims, values }) }),
  };
}
