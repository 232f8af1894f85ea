/** Weights of 4 bits where 8 are too many bytes: those layers first that save most for what they lose. */

import type { Dataset } from '../data/dataset.ts';
import type { Graph, Model } from '../graph/model.ts';
import { sizeOf } from '../graph/tensor.ts';
import { modelBytes } from '../onnx/write.ts';
import { withoutSpare } from '../ops/spare-attributes.ts';
import type { Lab } from '../runtime/index.ts';
import { type Calibrated, chooseSamples, type WriteOptions, write } from './calibrated.ts';
import { labelOf } from './plan.ts';
import { type LayerSensitivity, sensitivity } from './sensitivity.ts';

export const NARROW_BITS = 4;
/** Weights with fewer elements save too little. */
const LEAST = 1024;
/** Samples for ranking layers. */
const RANKED_ON = 64;

/** What a bound on bytes did. */
export interface Narrowed {
  /** Layers whose weights have 4 bits. */
  readonly layers: readonly string[];
  /** Of the model as it would be with weights rounded to nearest. */
  readonly bytes: number;
  /** Are they within the bound? */
  readonly held: boolean;
}

/** Layers worth 4 bits by their labels, those that lose least for each number they store first. */
export function cheapToNarrow(ranked: readonly Pick<LayerSensitivity, 'node' | 'loss'>[], graph: Graph): string[] {
  const sizes = weightSizes(graph);
  return ranked
    .filter(({ node }) => (sizes.get(node) ?? 0) >= LEAST)
    .sort((a, b) => a.loss / sizes.get(a.node)! - b.loss / sizes.get(b.node)!)
    .map(({ node }) => node);
}

/** Options under which these layers' weights have 4 bits, and all others 8. */
export const narrowing = ({ graph }: Model, layers: readonly string[]): Pick<WriteOptions, 'weightBits' | 'wide'> => ({
  weightBits: NARROW_BITS,
  wide: graph.nodes.map(labelOf).filter((label) => !layers.includes(label)),
});

/**
 * As few layers with 4 bits as bring the file to `maxBytes`; all that are worth it where none do.
 *
 * Ranked by what each loses alone with 4 bits, over what it saves. The model must have been calibrated with `everywhere`.
 */
export async function narrowToSize(
  calibrated: Calibrated,
  options: WriteOptions,
  maxBytes: number,
  data: Dataset,
  lab: Lab,
): Promise<{ readonly options: WriteOptions; readonly report: Narrowed }> {
  const bytesOf = (how: WriteOptions): number => modelBytes(withoutSpare(write(calibrated, how).written));
  const wide = bytesOf(options);
  if (wide <= maxBytes) return { options, report: { layers: [], bytes: wide, held: true } };
  const all = { ...options, weightBits: NARROW_BITS };
  const samples = chooseSamples(data, RANKED_ON, lab.seed);
  const cheap = cheapToNarrow(await sensitivity(calibrated, all, data, samples, lab), calibrated.model.graph);
  const form = (count: number): WriteOptions => ({ ...options, ...narrowing(calibrated.model, cheap.slice(0, count)) });
  let [low, high] = [Math.min(1, cheap.length), cheap.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bytesOf(form(middle)) <= maxBytes) high = middle;
    else low = middle + 1;
  }
  if (low === 0) return { options, report: { layers: [], bytes: wide, held: false } };
  const bytes = bytesOf(form(low));
  return { options: form(low), report: { layers: cheap.slice(0, low), bytes, held: bytes <= maxBytes } };
}

/** Elements of each layer's weight, by its label. */
const weightSizes = ({ nodes, initializers }: Graph): Map<string, number> =>
  new Map(
    nodes.map((node) => {
      const weights = node.inputs.map((name) => initializers.get(name)?.dims ?? []).filter((dims) => dims.length > 1);
      return [labelOf(node), Math.max(0, ...weights.map(sizeOf))];
    }),
  );
