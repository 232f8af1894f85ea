/** Integers where floats take too long: for those layers first that win most time for what they lose. */

import type { Dataset } from '../data/index.ts';
import { fixedBatch } from '../data/port.ts';
import type { Model, Node } from '../graph/model.ts';
import { byFirst, type Lab, stopIfAborted } from '../runtime/index.ts';
import { type Calibrated, chooseSamples, type WriteOptions } from './calibrated.ts';
import { fewest } from './fewest.ts';
import { labelOf } from './plan.ts';
import { sensitivity } from './sensitivity.ts';
import { kindsOf, MOST_LAYERS, mixture } from './slow-layers.ts';
import { timeInTurn } from './time-in-turn.ts';

/** What a bound on time did. */
export interface Quickened {
  /** Layers that compute with integers. */
  readonly layers: readonly string[];
  /** Layers that compute in floats, their weights stored in 8 bits. */
  readonly slow: readonly string[];
  /** Milliseconds of one sample on one thread, the fastest of several rounds: of the original, and with these layers. */
  readonly originalMs: number;
  readonly ms: number;
  /** Are they within the bound? */
  readonly held: boolean;
}

export interface QuickenOptions {
  readonly original: Model;
  /** Ranges of every value that any mixture could quantise. */
  readonly calibrated: Calibrated;
  readonly write: WriteOptions;
  readonly data: Dataset;
  readonly maxMs: number;
  /** Milliseconds of a sample, model by model. Default: timed here on `data`. */
  readonly time?: (models: readonly Model[]) => Promise<readonly number[]>;
}

/** Samples for ranking layers. */
const RANKED_ON = 64;
/** Losses below this are nothing: order by time alone. */
const NOTHING = 1e-9;

/**
 * As few layers on integers as bring one sample to `maxMs`; where none do, all of them, or none if floats are faster.
 *
 * What a layer wins is what the model takes longer without it on integers; in large models its kind is taken out as a whole. What it loses is the
 * KL divergence with that layer alone on integers.
 */
export async function quicken(options: QuickenOptions, lab: Lab): Promise<Quickened> {
  const { original, calibrated, write, data, maxMs, time = timedOn(data, lab) } = options;
  const { graph } = calibrated.model;
  const all = layersOf(mixture(calibrated, write, []).plan.kernels);
  const labels = all.map(labelOf);
  const formOf = (fast: readonly string[]): Model => {
    const chosen = new Set(fast);
    return mixture(
      calibrated,
      write,
      labels.filter((label) => !chosen.has(label)),
    ).model;
  };
  const [originalMs, floatMs, wholeMs] = (await time([original, formOf([]), formOf(labels)])) as [
    number,
    number,
    number,
  ];
  const answer = (layers: readonly string[], ms: number): Quickened => {
    const chosen = new Set(layers);
    return { layers, slow: labels.filter((label) => !chosen.has(label)), originalMs, ms, held: ms <= maxMs };
  };
  if (floatMs <= maxMs) return answer([], floatMs);
  if (wholeMs > maxMs) return floatMs < wholeMs ? answer([], floatMs) : answer(labels, wholeMs);

  const samples = chooseSamples(data, RANKED_ON, lab.seed);
  const losses = new Map(
    (await sensitivity(calibrated, write, data, samples, lab)).map(({ node, loss }) => [node, loss]),
  );
  const wins = new Map<string, number>();
  const groups = all.length <= MOST_LAYERS ? labels.map((label) => [label]) : kindsOf(all, graph);
  for (const [i, group] of groups.entries()) {
    stopIfAborted(lab.signal);
    const out = new Set(group);
    const [whole, without] = await time([formOf(labels), formOf(labels.filter((label) => !out.has(label)))]);
    for (const label of group) wins.set(label, (without! - whole!) / group.length);
    lab.onProgress?.({ task: 'time', done: i + 1, total: groups.length });
  }
  const worth = (label: string): number => wins.get(label)! / Math.max(NOTHING, losses.get(label)!);
  const ranked = labels.toSorted((a, b) => worth(b) - worth(a));
  const { count, value } = await fewest(
    ranked.length,
    maxMs,
    async (n) => (await time([formOf(ranked.slice(0, n))]))[0]!,
  );
  return answer(ranked.slice(0, count), value);
}

const layersOf = (kernels: ReturnType<typeof mixture>['plan']['kernels']): Node[] =>
  [...kernels].flatMap(([node, { kind }]) => (kind === 'weighted' ? [node] : []));

/** The fastest of several rounds: other programs can only make one slower. Of several processes the first times. */
const timedOn =
  (data: Dataset, lab: Lab): NonNullable<QuickenOptions['time']> =>
  (models) =>
    byFirst(lab, async () => {
      const batch = fixedBatch(models[0]!.graph) ?? 1;
      return (await timeInTurn(models, data, batch, lab)).map(({ minMs }) => minMs / batch);
    });
