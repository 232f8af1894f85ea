/**
 * What each group of channels is worth: it alone is cut, by several shares, and the answers are compared with the dense ones.
 *
 *   KL = Σ_k p_k (log p_k − log q_k), mean over samples      p, q: softmax of the dense and the cut network's logits
 */

import { bind, type Dataset, LABELS, portsOf, take } from '../data/index.ts';
import { factsOf, type TypedArray } from '../graph/dtype.ts';
import type { Model } from '../graph/model.ts';
import { logitsOf } from '../nn/index.ts';
import { inOrder, type Lab, labOfPiece, lanesOf, stopIfAborted } from '../runtime/index.ts';
import { predictAll } from '../train/index.ts';
import { collect } from './collect.ts';
import type { Criterion } from './criterion/criterion.ts';
import { cut } from './cut.ts';
import { logSoftmax } from './divergence.ts';
import { solve } from './group.ts';
import { score } from './score.ts';
import { settle } from './settle.ts';

export interface SensitivityPoint {
  /** The group, by its first weight axis. */
  readonly group: string;
  /** Share of its channels that was removed. */
  readonly removed: number;
  /** Mean KL divergence of the answers, nats. */
  readonly kl: number;
  /** Share of samples with the same answer as the dense network. */
  readonly agreement: number;
  /** Share of right answers, where there are labels. */
  readonly accuracy?: number;
}

export interface SensitivityOptions {
  data: Dataset;
  by: Criterion;
  /** Default 0.25, 0.5, 0.75. */
  shares?: readonly number[] | undefined;
  /** Default all, but no more than 128. */
  samples?: number | undefined;
  /** What an earlier, interrupted scan found. */
  known?: readonly SensitivityPoint[] | undefined;
  /** Told after every point; awaited. */
  onPoint?: (points: readonly SensitivityPoint[]) => void | Promise<void>;
}

export const SHARES = [0.25, 0.5, 0.75] as const;

/**
 * Scans all groups; the points come back with the most sensitive group first.
 *
 * Throws   what collecting evidence and reading the data throw; work/aborted between two points.
 */
export async function sensitivity(
  model: Model,
  { data, by, shares = SHARES, samples = 128, known = [], onPoint }: SensitivityOptions,
  lab: Lab,
): Promise<SensitivityPoint[]> {
  const settled = await settle(model, lab);
  const solved = solve(settled.graph);
  const evidence = await collect(settled, solved, lab, { needs: by.needs, data });
  const scores = score(solved, evidence, by, { seed: lab.seed });
  const own = take(bind(data, portsOf(settled.graph)), Math.min(samples, data.size));
  const logits = logitsOf(settled.graph);
  const quiet: Lab = { ...labOfPiece(lab), onProgress: () => undefined };
  const answersOf = async (asked: Model) =>
    rowsOf(await predictAll(asked, own, logits, { batch: 32 }, quiet), own.size);
  const dense = await answersOf(settled);
  const labels = own.task === 'classification' ? labelsOf(own) : undefined;
  const points: SensitivityPoint[] = [...known];
  const has = (group: string, removed: number): boolean =>
    points.some((point) => point.group === group && point.removed === removed);
  const asked = solved.groups.flatMap((group, i) => {
    const order = Array.from(scores[i]!.keys()).sort((a, b) => scores[i]![a]! - scores[i]![b]!);
    return shares.flatMap((removed) => {
      const count = Math.min(group.size - 1, Math.round(group.size * removed));
      return count === 0 || has(group.name, removed)
        ? []
        : [{ group, removed, units: order.slice(0, count), done: i + 1 }];
    });
  });
  const scans = inOrder(asked, lanesOf(lab).hands, {
    async work({ group, units, ...point }) {
      stopIfAborted(lab.signal);
      return { ...point, group: group.name, rows: await answersOf(cut(settled, solved, [{ group, units }])) };
    },
  });
  for await (const { group, removed, rows, done } of scans) {
    points.push({ group, removed, ...compared(dense, rows, labels) });
    await onPoint?.(points);
    lab.onProgress?.({ task: 'sensitivity', done, total: solved.groups.length });
  }
  const worst = new Map<string, number>();
  for (const { group, kl } of points) worst.set(group, Math.max(worst.get(group) ?? 0, kl));
  return points.sort(
    (a, b) => worst.get(b.group)! - worst.get(a.group)! || a.group.localeCompare(b.group) || a.removed - b.removed,
  );
}

const rowsOf = ({ values }: { values: Float32Array }, count: number): Float32Array[] =>
  Array.from({ length: count }, (_, i) =>
    values.subarray((i * values.length) / count, ((i + 1) * values.length) / count),
  );

function labelsOf(data: Dataset): number[] {
  const { dtype } = data.labels!;
  const into = new (factsOf(dtype).array as unknown as new (length: number) => TypedArray)(data.size);
  data.fill(
    LABELS,
    Int32Array.from({ length: data.size }, (_, i) => i),
    into,
  );
  return Array.from(into as ArrayLike<number | bigint>, Number);
}

/** Mean divergence and agreement of two sets of logits. */
export function compared(
  dense: readonly ArrayLike<number>[],
  other: readonly ArrayLike<number>[],
  labels?: readonly number[],
): Omit<SensitivityPoint, 'group' | 'removed'> {
  let [kl, same, right] = [0, 0, 0];
  dense.forEach((a, n) => {
    const b = other[n]!;
    const [p, q] = [logSoftmax(a), logSoftmax(b)];
    for (let k = 0; k < p.length; k++) kl += Math.exp(p[k]!) * (p[k]! - q[k]!);
    const top = topOf(b);
    if (topOf(a) === top) same += 1;
    if (labels?.[n] === top) right += 1;
  });
  const count = dense.length;
  return { kl: kl / count, agreement: same / count, ...(labels && { accuracy: right / count }) };
}

const topOf = (row: ArrayLike<number>): number => {
  let top = 0;
  for (let k = 1; k < row.length; k++) if (row[k]! > row[top]!) top = k;
  return top;
};
