/** What a choice of integers scored, image by image and draw by draw, against what the floats answered. */

import { classesOf, type Dataset } from '../../src/data/index.ts';
import type { Compared, Recorded } from '../../src/quantize/agreement.ts';

/** Images to judge by, and what the floats answer. */
export interface Judge {
  readonly name: string;
  readonly data: Dataset;
  readonly samples: Int32Array;
  readonly floats: Recorded;
}

/** Of one choice on one judge, over the draws: sums of what each image scored. */
export class Scores {
  readonly same = new Map<number, number>();
  readonly right = new Map<number, number>();
  readonly rightBefore = new Map<number, number>();
  /** KL divergence, summed as those are. */
  readonly moved = new Map<number, number>();
  readonly times = new Map<number, number>();
  readonly draws: Compared[] = [];

  add(compared: Compared, { data, samples }: Judge): void {
    this.draws.push(compared);
    const { tops, divergences } = compared;
    const each = tops.length / samples.length;
    const labels = data.task === 'classification' && each === 1 ? classesOf(data) : undefined;
    const more = (into: Map<number, number>, image: number, by: number) => into.set(image, (into.get(image) ?? 0) + by);
    for (const [i, image] of samples.entries()) {
      const own = tops.slice(i * each, (i + 1) * each);
      more(this.times, image, 1);
      more(this.same, image, own.filter(([a, b]) => a === b).length / each);
      if (divergences.length === samples.length) more(this.moved, image, divergences[i]!);
      if (!labels) continue;
      more(this.right, image, own[0]![1] === labels[image] ? 1 : 0);
      more(this.rightBefore, image, own[0]![0] === labels[image] ? 1 : 0);
    }
  }

  /** Each image's mean over the draws that judged it, in the order of the images. */
  byImage(scored: ReadonlyMap<number, number>): number[] {
    return [...scored.keys()].sort((a, b) => a - b).map((image) => scored.get(image)! / this.times.get(image)!);
  }
}
