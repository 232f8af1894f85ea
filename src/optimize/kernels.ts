/**
 * Which layers should compute with integers on this machine: found out by timing, a kind of layer at a time.
 *
 * Integer kernels are not faster everywhere: few input channels, depthwise convolutions, processors without dot-product
 * instructions. Layers are put together by what decides their speed; each kind leaves the integer part for a moment, and
 * stays out where the model gets faster by it. Weights do not matter for speed, so a rough calibration will do.
 */

import type { Dataset } from '../data/index.ts';
import type { Model, Node } from '../graph/model.ts';
import { modernize } from '../ops/modern.ts';
import { type Calibrated, calibrate, saturates, write } from '../quantize/index.ts';
import { prepare } from '../quantize/prepare.ts';
import { calibratorOf } from '../quantize/quantize.ts';
import { storeWeights } from '../quantize/store.ts';
import type { Lab } from '../runtime/index.ts';
import type { Stopwatch } from './stopwatch.ts';

export interface Kernels {
  /** Layers that compute in floats. */
  readonly exclude: readonly string[];
  /** False where no layer is faster on integers. */
  readonly pays: boolean;
}

/** Gains below this are noise. */
const WORTHWHILE = 0.97;
const ROUGH = 8;
/** Kinds that are tried one by one, the largest first. */
const MOST_KINDS = 10;

export async function chooseKernels(
  model: Model,
  data: Dataset,
  stopwatch: Stopwatch,
  lab: Lab,
  left: () => boolean,
): Promise<Kernels> {
  const quiet: Lab = { ...lab, onProgress: () => {} };
  const samples = Int32Array.from({ length: Math.min(ROUGH, data.size) }, (_, i) => i);
  const calibrated = await calibrate(prepare(modernize(model)), calibratorOf('minmax'), data, samples, quiet, {
    everywhere: true,
    biasCorrect: false,
  });
  const pairSafe = await saturates(lab.engine);
  const form = (exclude: readonly string[]) => formOf(calibrated, exclude, pairSafe);
  const all = form([]);
  const floats = storeWeights(calibrated.model);
  if (all.layers.length === 0) return { exclude: [], pays: false };

  const kinds = [...kindsOf(all.layers, calibrated.model).values()].sort((a, b) => b.length - a.length);
  let now: readonly string[] = [];
  if (kinds.length > 1) {
    for (const kind of kinds.slice(0, MOST_KINDS)) {
      if (!left()) break;
      const without = [...now, ...kind];
      if (form(without).layers.length === 0) continue;
      const [, tried] = await stopwatch.time([form(now).model, form(without).model], 9);
      if (tried!.ratio < WORTHWHILE) now = without;
    }
  }
  const [, integers] = await stopwatch.time([floats, form(now).model]);
  return { exclude: now, pays: integers!.ratio < WORTHWHILE };
}

function formOf(calibrated: Calibrated, exclude: readonly string[], pairSafe: boolean) {
  const { plan, written } = write(calibrated, { exclude, perChannel: true, weightBits: 8, pairSafe });
  const layers = [...plan.kernels].flatMap(([node, { kind }]) => (kind === 'weighted' && node.name ? [node] : []));
  return { model: storeWeights(written), layers };
}

/** Layers by op, groups, kernel and how many channels they read: few, some, many. */
function kindsOf(layers: readonly Node[], { graph }: Model): Map<string, string[]> {
  const kinds = new Map<string, string[]>();
  for (const node of layers) {
    const dims =
      node.inputs.map((name) => graph.initializers.get(name)?.dims).find((of) => (of?.length ?? 0) > 1) ?? [];
    const reads = dims[1] ?? 0;
    const width = reads <= 4 ? 'few' : reads < 32 ? 'some' : 'many';
    const key = `${node.op} ${dims.slice(2).join('x')} ${width} ${reads === 1 ? 'depthwise' : ''}`;
    kinds.set(key, [...(kinds.get(key) ?? []), node.name]);
  }
  return kinds;
}
