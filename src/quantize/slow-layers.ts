/**
 * Which layers integers do not make faster on this machine: found out by timing.
 *
 * Starting a node and going between floats and integers cost as much as the arithmetic of a small layer; few input channels and depthwise kernels
 * gain little. Layers leave the integer part for a moment, one by one, or in large models by what decides their speed, and stay out where the model
 * gets faster by it. Weights do not matter for speed, so a rough calibration will do.
 */

import type { Dataset } from '../data/dataset.ts';
import { fixedBatch } from '../data/port.ts';
import { readsOf } from '../graph/edit.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { byFirst, type Lab, stopIfAborted } from '../runtime/index.ts';
import { type Calibrated, type WriteOptions, write } from './calibrated.ts';
import { labelOf, type Plan } from './plan.ts';
import { storeWeights, storingLayers } from './store.ts';
import { timeInTurn } from './time-in-turn.ts';

export interface Speed {
  /** Layers that compute with integers. */
  readonly fast: readonly string[];
  /** Layers that compute in floats, their weights stored in 8 bits. */
  readonly slow: readonly string[];
  /** Time over the original's; 1 where there is no layer to try. */
  readonly ratio: number;
}

export interface SlowLayersOptions {
  /** What the mixture is held against. */
  readonly original: Model;
  /** Ranges of every value that any mixture could quantise. */
  readonly calibrated: Calibrated;
  /** Its `slow` layers are so already. */
  readonly write: WriteOptions;
  /** Time of each model over the first one's. */
  readonly time: (models: readonly Model[]) => Promise<readonly number[]>;
  /** A model below this share of the original's time is left alone: timing is never the same twice. Default 0: layers are always tried. */
  readonly enough?: number;
  /** Is there time for more? Default: always. */
  readonly left?: () => boolean;
}

/** Gains below this are noise. */
const WORTHWHILE = 0.97;
/** Above this share of what is enough, once may be the machine's doing. */
const SURELY = 0.75;
/** So many layers are tried one by one; of more, kinds: the largest first, and no more of them than the second figure. */
export const MOST_LAYERS = 16;
const MOST_KINDS = 8;

/**
 * The fastest mixture that leaving groups of layers out finds; all layers are slow where no mixture is faster than floats.
 *
 * Throws   work/aborted; what `time` throws.
 */
export async function slowLayers(options: SlowLayersOptions, lab: Lab): Promise<Speed> {
  const { original, calibrated, time, enough = 0, left = () => true } = options;
  const layersOf = ({ kernels }: Plan): Node[] =>
    [...kernels].flatMap(([node, { kind }]) => (kind === 'weighted' ? [node] : []));
  const form = (slow: readonly string[]) => {
    const { model, plan } = mixture(calibrated, options.write, slow);
    return { model, slow, fast: layersOf(plan) };
  };
  const speedOf = ({ fast, slow }: ReturnType<typeof form>, ratio: number): Speed => ({
    fast: fast.map(labelOf),
    slow,
    ratio,
  });
  let now = form(options.write.slow ?? []);
  const all = now.fast;
  if (all.length === 0) return { fast: [], slow: now.slow, ratio: 1 };
  if (enough > 0) {
    const timed = async (): Promise<number> => (await time([original, now.model]))[1]!;
    const whole = await timed();
    const isEnough = whole <= SURELY * enough || (whole <= enough && (await timed()) <= enough);
    if (isEnough) return speedOf(now, whole);
  }
  const groups =
    all.length <= MOST_LAYERS
      ? all.map((node) => [labelOf(node)])
      : kindsOf(all, calibrated.model.graph).slice(0, MOST_KINDS);
  for (const [i, group] of groups.entries()) {
    stopIfAborted(lab.signal);
    if (!left()) break;
    const without = form([...now.slow, ...group]);
    if (without.fast.length === 0) continue;
    const [, ratio] = await time([now.model, without.model]);
    if (ratio! < WORTHWHILE) now = without;
    lab.onProgress?.({ task: 'time', done: i + 1, total: groups.length });
  }
  const none = form([...(options.write.slow ?? []), ...all.map(labelOf)]);
  const [, ratio, floats] = await time([original, now.model, none.model]);
  return ratio! < WORTHWHILE * floats! ? speedOf(now, ratio!) : speedOf(none, floats!);
}

/** The mixture: integers where layers are not slow, and weights stored in 8 bits for the rest and for what has no integer kernel. */
export function mixture(
  calibrated: Calibrated,
  options: WriteOptions,
  slow: readonly string[],
): { readonly model: Model; readonly plan: Plan } {
  const { plan, written } = write(calibrated, { ...options, slow });
  const floats = new Set([...slow, ...storingLayers(calibrated.model.graph, options.exclude)]);
  return { model: floats.size === 0 ? written : storeWeights(written, weightsBeyond(calibrated.model, floats)), plan };
}

/** The weights that none of these layers reads. */
function weightsBeyond({ graph }: Model, layers: ReadonlySet<string>): Set<string> {
  const read = new Set(graph.nodes.flatMap((node) => (layers.has(labelOf(node)) ? readsOf(node) : [])));
  return new Set([...graph.initializers.keys()].filter((name) => !read.has(name)));
}

/** Layers by op, kernel and how many channels they read: one, few, some, many. */
export function kindsOf(layers: readonly Node[], { initializers }: Graph): string[][] {
  const kinds = new Map<string, string[]>();
  for (const node of layers) {
    const dims = node.inputs.map((name) => initializers.get(name)?.dims).find((of) => (of?.length ?? 0) > 1) ?? [];
    const reads = dims[1] ?? 0;
    const width = reads === 1 ? 'one' : reads <= 4 ? 'few' : reads < 32 ? 'some' : 'many';
    const key = `${node.op} ${dims.slice(2).join('x')} ${width}`;
    kinds.set(key, [...(kinds.get(key) ?? []), labelOf(node)]);
  }
  return [...kinds.values()].sort((a, b) => b.length - a.length);
}

const BATCHES = [1, 8];
/** A batch that takes longer than this beside the first model's is slower, whatever the other gains. */
const SLOWER = 1.03;

/**
 * Times models in turn on samples, on one thread, each over the first model's: geometric mean over the batches, or a batch that is slower.
 * Of several processes the first does, and all go by what it found.
 */
export const timedOn =
  (data: Dataset, lab: Lab): SlowLayersOptions['time'] =>
  (models) =>
    byFirst(lab, async () => {
      const fixed = fixedBatch(models[0]!.graph);
      const found: number[][] = models.map(() => []);
      for (const batch of fixed === undefined ? BATCHES : [fixed]) {
        const latencies = await timeInTurn(models, data, batch, lab);
        for (const [i, { ratio }] of latencies.entries()) found[i]!.push(ratio);
      }
      return found.map(overBatches);
    });

/** One ratio for those of all batches. */
export function overBatches(ratios: readonly number[]): number {
  const worst = Math.max(...ratios);
  return worst > SLOWER ? worst : ratios.reduce((product, ratio) => product * ratio, 1) ** (1 / ratios.length);
}
