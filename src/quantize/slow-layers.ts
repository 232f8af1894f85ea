/**
 * Which layers integers do not make faster on this machine: found out by timing, a kind of layer at a time.
 *
 * Starting a node and going between floats and integers cost as much as the arithmetic of a small layer; few input channels and depthwise kernels
 * gain little. Layers are put together by what decides their speed. A model that is clearly faster as a whole is left alone, so that timing, which is
 * never the same twice, decides only where it is needed.
 */

import type { Dataset } from '../data/dataset.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { writeModel } from '../onnx/write.ts';
import { type Lab, measure, stopIfAborted } from '../runtime/index.ts';
import { feedsFor, fixedBatch } from './observe.ts';
import { labelOf, planOf } from './plan.ts';
import { type Calibrated, type WriteOptions, write } from './quantize.ts';
import { storeWeights } from './store.ts';

export interface Speed {
  /** Layers that compute in floats, their weights stored in 8 bits. */
  readonly slow: readonly string[];
  /** Time of the whole over the original's: geometric mean over the batches, one thread. */
  readonly ratio: number;
}

/** A model below this share of the original's time is fast enough as a whole. */
const CLEARLY = 0.8;
/** Gains below this are noise. */
const WORTHWHILE = 0.97;
/** Kinds that are tried one by one, those with most layers first. */
const MOST_KINDS = 8;
const BATCHES = [1, 8];
const ROUNDS = 9;

/** Layers that are better left in floats; none when the model as a whole is clearly faster than the original. */
export async function slowLayers(
  original: Model,
  calibrated: Calibrated,
  options: WriteOptions,
  data: Dataset,
  lab: Lab,
): Promise<Speed> {
  const { model, facts } = calibrated;
  const layers = [...planOf(model.graph, facts, options).kernels].flatMap(([node, { kind }]) =>
    kind === 'weighted' ? [node] : [],
  );
  const form = (slow: readonly string[]): Model => storeWeights(write(calibrated, { ...options, slow }).written);
  const time = (models: readonly Model[]): Promise<number[]> => relativeTimes(models, data, lab);
  const all = layers.map(labelOf);
  const whole = (await time([original, form([])]))[1]!;
  if (whole <= CLEARLY) return { slow: [], ratio: whole };
  const kinds = [...kindsOf(layers, model.graph).values()].sort((a, b) => b.length - a.length).slice(0, MOST_KINDS);
  let slow: readonly string[] = [];
  for (const [i, kind] of kinds.entries()) {
    stopIfAborted(lab.signal);
    const without = [...slow, ...kind];
    if (without.length < all.length) {
      const [, tried] = await time([form(slow), form(without)]);
      if (tried! < WORTHWHILE) slow = without;
    }
    lab.onProgress?.({ task: 'time', done: i + 1, total: kinds.length });
  }
  const [, now, none] = await time([original, form(slow), form(all)]);
  return now! < WORTHWHILE && now! <= none! ? { slow, ratio: now! } : { slow: all, ratio: none! };
}

/** Layers by op, kernel and how many channels they read: one, few, some, many. */
function kindsOf(layers: readonly Node[], graph: Graph): Map<string, string[]> {
  const kinds = new Map<string, string[]>();
  for (const node of layers) {
    const dims =
      node.inputs.map((name) => graph.initializers.get(name)?.dims).find((of) => (of?.length ?? 0) > 1) ?? [];
    const reads = dims[1] ?? 0;
    const width = reads === 1 ? 'one' : reads <= 4 ? 'few' : reads < 32 ? 'some' : 'many';
    const key = `${node.op} ${dims.slice(2).join('x')} ${width}`;
    kinds.set(key, [...(kinds.get(key) ?? []), labelOf(node)]);
  }
  return kinds;
}

/** Time of each model over the first one's, in turn, on one thread: geometric mean over the batches. */
async function relativeTimes(models: readonly Model[], data: Dataset, lab: Lab): Promise<number[]> {
  const fixed = fixedBatch(models[0]!.graph);
  const batches = fixed === undefined ? BATCHES : [fixed];
  const logs = models.map(() => 0);
  for (const batch of batches) {
    const places = Array.from({ length: batch }, (_, i) => i % data.size);
    const feeds = feedsFor(models[0]!.graph, data, places);
    const sessions = [];
    try {
      for (const model of models) sessions.push(await lab.engine.load(writeModel(model), { threads: 1 }));
      const cases = sessions.map((session, i) => ({ name: `${i}`, run: async () => void (await session.run(feeds)) }));
      const results = await measure(cases, { rounds: ROUNDS, warmup: 2, ...(lab.signal && { signal: lab.signal }) });
      results.forEach(({ ratio }, i) => {
        logs[i]! += Math.log(ratio) / batches.length;
      });
    } finally {
      for (const session of sessions) session[Symbol.dispose]();
    }
  }
  return logs.map(Math.exp);
}
