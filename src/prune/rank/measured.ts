/**
 * What each channel costs, measured: every group alone loses shares of its weakest channels, and the answers are compared.
 *
 *   loss(count)   0 at 0; measured at a few counts; between them the lower convex hull, so that no later channel counts less
 *   score(u)      the slope of that line where u's turn comes
 *
 * The order within a group stays what the criterion says. Layers that read the group are fitted to what stays where their
 * moments are known.
 * Source   the measured divergence of single layers ranks them better than any formula: see docs/pruning.md.
 */

import { PareError } from '../../base/error.ts';
import { bind, type Dataset, portsOf, subset, take } from '../../data/index.ts';
import type { Model } from '../../graph/model.ts';
import { logitsOf } from '../../nn/index.ts';
import { type Lab, labOfPiece, stopIfAborted } from '../../runtime/index.ts';
import { predictAll } from '../../train/index.ts';
import type { Need } from '../criterion/criterion.ts';
import { cut } from '../cut.ts';
import { divergence } from '../divergence.ts';
import { refit } from '../refit.ts';
import type { Ranking, Told } from './ranking.ts';

/**
 * Where layers are fitted after the cut, they are fitted for the trial too, on samples that it does not judge by.
 *
 * Throws   prune/data without samples.
 */
export const measured: Ranking = {
  about: 'all channels compete by what each group was measured to cost',
  trial: ({ needs: own, data, isFitted }) => {
    if (!data)
      throw new PareError('prune/data', 'What a group costs is measured on samples.', {
        expected: 'data; labels are not needed',
        hint: 'give data, or another rank than measured',
      });
    const needs: readonly Need[] = isFitted ? [...own, 'hessian'] : own;
    const { fitted, judged } = needs.includes('hessian') ? apart(data) : { fitted: data, judged: data };
    return { needs, data: fitted, scores: (told, lab) => measuredLosses(told, judged, lab) };
  },
};

/** Shares of a group's channels that go. */
const SHARES = [0.125, 0.25, 0.5, 0.75] as const;
/** Samples that are compared, and the largest share of the data that they may be. */
const SAMPLES = 128;
const SHARE = 0.25;
/** Fewer samples than this are not parted. */
const FEW = 32;

/**
 * The samples that layers are fitted to, and those that groups are measured on: on samples that a wide layer was fitted to,
 * it seems to need hardly any of what it reads. Both are all of them where there are few.
 */
export function apart(data: Dataset): { fitted: Dataset; judged: Dataset } {
  if (data.size < FEW) return { fitted: data, judged: data };
  const from = data.size - Math.min(SAMPLES, Math.floor(data.size * SHARE));
  return {
    fitted: take(data, from),
    judged: subset(
      data,
      Array.from({ length: data.size - from }, (_, i) => from + i),
    ),
  };
}

/** Throws what reading the data and running the models throw; work/aborted. */
async function measuredLosses(
  { model, solved, scores, slices }: Told,
  data: Dataset,
  lab: Lab,
): Promise<Float64Array[]> {
  const own = take(bind(data, portsOf(model.graph)), Math.min(SAMPLES, data.size));
  const logits = logitsOf(model.graph, model.graph.outputs[0]!.name);
  const quiet: Lab = { ...labOfPiece(lab), onProgress: () => undefined };
  const answers = (asked: Model) => predictAll(asked, own, logits, { batch: 32 }, quiet);
  const dense = await answers(model);
  const losses: Float64Array[] = [];
  for (const [i, group] of solved.groups.entries()) {
    const order = Array.from(scores[i]!.keys()).sort((a, b) => scores[i]![a]! - scores[i]![b]! || a - b);
    const points: Point[] = [{ count: 0, loss: 0 }];
    for (const share of SHARES) {
      stopIfAborted(lab.signal);
      const count = Math.min(group.size - 1, Math.round(group.size * share));
      if (count <= points.at(-1)!.count) continue;
      const units = order.slice(0, count);
      const small = cut(refit(model, slices[i]!, units), solved, [{ group, units }]);
      points.push({ count, loss: divergence(dense, await answers(small), own.size) });
    }
    losses.push(slopes(hull(points), order));
    lab.onProgress?.({ task: 'measuring groups', done: i + 1, total: solved.groups.length });
  }
  return losses;
}

interface Point {
  readonly count: number;
  readonly loss: number;
}

/** The lower convex hull of points in order of their count. */
export function hull(points: readonly Point[]): Point[] {
  const kept: Point[] = [];
  const slope = (a: Point, b: Point): number => (b.loss - a.loss) / (b.count - a.count);
  for (const point of points) {
    while (kept.length > 1 && slope(kept.at(-2)!, kept.at(-1)!) >= slope(kept.at(-1)!, point)) kept.pop();
    kept.push(point);
  }
  return kept;
}

/** What was not measured goes after all that was: its slope counts this many times. */
const UNMEASURED = 1e3;

/** Per unit the slope of the line where its turn comes, never falling and never below 0. */
function slopes(line: readonly Point[], order: readonly number[]): Float64Array {
  const scores = new Float64Array(order.length);
  let last = 0;
  order.forEach((unit, turn) => {
    const to = line.findIndex(({ count }) => count > turn);
    const [a, b] = to > 0 ? [line[to - 1]!, line[to]!] : [line.at(-2) ?? line[0]!, line.at(-1)!];
    const slope = b.count > a.count ? (b.loss - a.loss) / (b.count - a.count) : 0;
    last = Math.max(last * (1 + 1e-9) + Number.MIN_VALUE, to > 0 ? slope : slope * UNMEASURED);
    scores[unit] = last;
  });
  return scores;
}
