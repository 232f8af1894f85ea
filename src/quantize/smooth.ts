/**
 * SmoothQuant: outliers move from activations, which share one grid, into weights, where every channel has its own.
 *
 *   s_j = max|X_j|^α / max|W_j|^(1 − α)        α = 0.5;   X / s feeds s ⊙ W
 *
 * Source   Xiao et al. 2023, "SmoothQuant", arXiv:2211.10438, equation 4.
 */

import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';
import { type Siblings, scaleInputs } from './input-scales.ts';
import { matrixLayersOf, prepareMatrices } from './matrix-layers.ts';
import { observe } from './observe.ts';

export interface SmoothOptions {
  /** How much of the difficulty moves into the weights, 0 to 1. Default 0.5. */
  alpha?: number;
}

/** Channels quieter than this keep their scale. */
const QUIET = 1e-5;

/**
 * The same function with smoother activations in front of its dense layers, where what makes them can absorb the scales.
 *
 * Throws   data/port; work/aborted.
 */
export async function smooth(
  original: Model,
  data: Dataset,
  samples: ArrayLike<number>,
  { alpha = 0.5 }: SmoothOptions,
  lab: Lab,
): Promise<{ model: Model; scaled: string[] }> {
  const model = prepareMatrices(original);
  const layers = matrixLayersOf(model).filter(({ isInside }) => !isInside);
  const peaks = new Map(layers.map(({ input, K }) => [input, new Float64Array(K)]));
  const see = (name: string, x: Float32Array): void => {
    const peak = peaks.get(name)!;
    const K = peak.length;
    for (let i = 0; i < x.length; i++) peak[i % K] = Math.max(peak[i % K]!, Math.abs(x[i]!));
  };
  await observe(model, [...peaks.keys()], data, see, { samples, task: 'smooth' }, lab);
  const factorsOf = ({ input, K, layers }: Siblings): Float32Array => {
    const weights = new Float64Array(K);
    for (const { w, N } of layers)
      for (let i = 0; i < w.length; i++) {
        const k = Math.floor(i / N);
        weights[k] = Math.max(weights[k]!, Math.abs(w[i]!));
      }
    return Float32Array.from(peaks.get(input)!, (peak, k) =>
      peak < QUIET || weights[k]! < QUIET ? 1 : Math.max(peak ** alpha / weights[k]! ** (1 - alpha), QUIET),
    );
  };
  return scaleInputs(model, factorsOf);
}
