/**
 * Which layers should compute with integers on this machine: found out by timing.
 *
 * Integer kernels are not faster everywhere: few input channels, depthwise convolutions, processors without dot-product
 * instructions. Layers leave the integer part for a moment, one by one, or in large models by what decides their speed;
 * they stay out where the model gets faster by it. Weights do not matter for speed, so a rough calibration will do.
 */

import type { Graph, Model, Node } from '../graph/model.ts';
import { type Calibrated, write } from '../quantize/index.ts';
import { storeWeights } from '../quantize/store.ts';

export interface KernelOptions {
  /** Ranges of every value that any mixture could quantise. */
  readonly calibrated: Calibrated;
  readonly pairSafe: boolean;
  /** Time of each model over the first one's. */
  readonly time: (models: readonly Model[]) => Promise<readonly number[]>;
  /** Is there time for more? Default: always. */
  readonly left?: (() => boolean) | undefined;
}

export interface Kernels {
  /** Layers on integers, and layers that compute in floats. */
  readonly kernels: readonly string[];
  readonly exclude: readonly string[];
  /** Time on integers over that in floats; 1 where there is no layer to try. */
  readonly ratio: number;
}

/** The mixture as a model: integers where they are not excluded, and weights stored in 8 bits for the rest. */
export function mixture(
  { calibrated, pairSafe }: Pick<KernelOptions, 'calibrated' | 'pairSafe'>,
  exclude: readonly string[],
) {
  const { plan, written } = write(calibrated, { exclude, perChannel: true, weightBits: 8, pairSafe });
  const layers = [...plan.kernels].flatMap(([node, { kind }]) => (kind === 'weighted' && node.name ? [node] : []));
  return { model: storeWeights(written), layers };
}

/** Gains below this are noise. */
const WORTHWHILE = 0.97;
/** So many layers are tried one by one; of more, kinds: the largest first, and no more of them than the second figure. */
const MOST_LAYERS = 16;
const MOST_KINDS = 10;

/** The fastest mixture that leaving groups of layers out finds, held against floats. */
export async function chooseKernels(options: KernelOptions): Promise<Kernels> {
  const { calibrated, time, left = () => true } = options;
  const all = mixture(options, []).layers;
  const names = all.map(({ name }) => name);
  if (all.length === 0) return { kernels: [], exclude: [], ratio: 1 };
  const groups = all.length <= MOST_LAYERS ? names.map((name) => [name]) : kindsOf(all, calibrated.model.graph);
  let now = { ...mixture(options, []), exclude: [] as readonly string[] };
  for (const group of groups) {
    if (!left()) break;
    const exclude = [...now.exclude, ...group];
    const next = { ...mixture(options, exclude), exclude };
    if (next.layers.length === 0) continue;
    const [, ratio] = await time([now.model, next.model]);
    if (ratio! < WORTHWHILE) now = next;
  }
  const [, ratio] = await time([storeWeights(calibrated.model), now.model]);
  return { kernels: now.layers.map(({ name }) => name), exclude: now.exclude, ratio: ratio! };
}

/** Layers by op, groups, kernel and how many channels they read: few, some, many. */
function kindsOf(layers: readonly Node[], { initializers }: Graph): string[][] {
  const kinds = new Map<string, string[]>();
  for (const { op, name, inputs } of layers) {
    const dims = inputs.map((input) => initializers.get(input)?.dims).find((of) => (of?.length ?? 0) > 1) ?? [];
    const reads = dims[1] ?? 0;
    const width = reads <= 4 ? 'few' : reads < 32 ? 'some' : 'many';
    const key = `${op} ${dims.slice(2).join('x')} ${width} ${reads === 1 ? 'depthwise' : ''}`;
    kinds.set(key, [...(kinds.get(key) ?? []), name]);
  }
  return [...kinds.values()].sort((a, b) => b.length - a.length).slice(0, MOST_KINDS);
}
