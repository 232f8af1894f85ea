/** A small network learns a large one's recorded outputs. */

import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';
import { type FitOptions, type FitReport, fit } from '../train/fit.ts';
import { crossEntropy } from '../train/loss/cross-entropy.ts';
import { type Loss, weightedSum } from '../train/loss/loss.ts';
import { softTargets } from './loss/soft-targets.ts';
import { type Recorded, record, withTeacher } from './record.ts';

export interface DistillOptions extends Omit<FitOptions, 'loss'> {
  /** What makes the student like the teacher. Default: soft targets at temperature 4. */
  loss?: Loss;
  /** Share of the loss that comes from the labels, where there are any. Default 0.1. */
  labels?: number;
  /** The teacher's outputs, if they were recorded before. */
  recorded?: Recorded;
}

/**
 * Trains `student` on the outputs of `teacher`, which runs over the data once.
 *
 * Without labels the teacher is all the student hears. Throws what `fit` throws.
 */
export async function distill(
  student: Model,
  teacher: Model,
  data: Dataset,
  options: DistillOptions,
  lab: Lab,
): Promise<{ model: Model; report: FitReport }> {
  const { loss = softTargets(), labels = 0.1, recorded = await record(teacher, data, lab), ...rest } = options;
  const isLabelled = data.task === 'classification' && labels > 0;
  const whole = isLabelled ? weightedSum([labels, crossEntropy()], [1 - labels, loss]) : loss;
  return await fit(student, withTeacher(data, recorded), { ...rest, loss: whole }, lab);
}
