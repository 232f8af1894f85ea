/** A student made from its teacher: thinner by channels, shallower by single layers for runs of layers, or both. */

import { PareError } from '../base/error.ts';
import { collapse } from '../compress/index.ts';
import type { Dataset } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { prune } from '../prune/index.ts';
import type { Lab } from '../runtime/index.ts';

export interface ThinnerOptions {
  /** Share of the channels that stays: those that matter most to what the next layers read. Default 0.5, or 1 with `depth`. */
  readonly width?: number | undefined;
  /** Share of the MACs that collapsing runs of layers leaves. Default 1: every layer stays. */
  readonly depth?: number | undefined;
}

/**
 * A smaller copy of the teacher that begins with what the teacher knows.
 *
 * Throws   distill/student when nothing of the teacher can go, with the reason; what `collapse` and `prune` throw.
 */
export async function thinner(
  teacher: Model,
  { depth = 1, width = depth < 1 ? 1 : 0.5 }: ThinnerOptions,
  data: Dataset,
  lab: Lab,
): Promise<Model> {
  let student = teacher;
  if (depth < 1) ({ model: student } = await collapse(student, { keep: { macs: depth } }, data, lab));
  if (width < 1) {
    const { model, report } = await prune(student, { keep: { channels: width }, by: 'wanda', data }, lab);
    const isWhole = report.groups.every(({ kept, all }) => kept === all);
    const why = report.fault ?? (isWhole ? 'every channel is protected' : undefined);
    if (why !== undefined) {
      throw new PareError(
        'distill/student',
        `No thinner student can be made of this teacher: ${why.replace(/\.$/, '')}.`,
        {
          expected: 'channels that may go',
          hint: 'name a student of your own',
        },
      );
    }
    student = model;
  }
  return student;
}
