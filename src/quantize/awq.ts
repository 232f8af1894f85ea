/**
 * Activation-aware scales for weights in blocks: channels that carry much are made larger, and so err less.
 *
 *   s_k = x_k^r / (w_k^(1 − r) + 1e-4), divided by sqrt(max s · min s)      x_k: root mean square of input k; w_k: mean |W_k|
 *   r among 0, 1/20 … 19/20, by the least Σ_k x_k² ‖W_k − Q(s W)_k / s_k‖²
 *
 * Source   Lin et al. 2024, "AWQ", arXiv:2306.00978; the loss takes the diagonal of E[x xᵀ] only.
 */

import type { Model } from '../graph/model.ts';
import { type BlockShape, fromBlocks, roundToNearest } from './blocks.ts';
import { type Siblings, scaleInputs } from './input-scales.ts';
import type { MatrixOptions } from './matrix-layers.ts';

const GRID = 20;

type Form = Pick<BlockShape, 'bits' | 'size'> & { readonly symmetric: boolean };

/** The model with scales that suit blocks of this form, where what makes a value can absorb them. */
export const scaleForBlocks = (
  model: Model,
  moments: ReadonlyMap<string, Float64Array>,
  form: Form,
  options: MatrixOptions = {},
): Model => scaleInputs(model, (siblings) => best(siblings, moments.get(siblings.input), form), options).model;

function best({ K, layers }: Siblings, moments: Float64Array | undefined, form: Form): Float32Array | undefined {
  if (!moments) return undefined;
  const squares = Float64Array.from({ length: K }, (_, k) => moments[k * K + k]!);
  const sizes = new Float64Array(K);
  for (const { w, N } of layers) for (let i = 0; i < w.length; i++) sizes[Math.floor(i / N)]! += Math.abs(w[i]!) / N;
  let [least, chosen] = [Number.POSITIVE_INFINITY, undefined as Float32Array | undefined];
  for (let step = 0; step < GRID; step++) {
    const s = factors(squares, sizes, step / GRID);
    const error = layers.reduce((sum, layer) => sum + errorOf(layer, squares, s, form), 0);
    if (error < least) [least, chosen] = [error, s];
  }
  return chosen;
}

function factors(squares: Float64Array, sizes: Float64Array, r: number): Float32Array {
  const s = squares.map((square, k) => Math.max(Math.sqrt(square) ** r / (sizes[k]! ** (1 - r) + 1e-4), 1e-4));
  const middle = Math.sqrt(s.reduce((a, b) => Math.max(a, b)) * s.reduce((a, b) => Math.min(a, b)));
  return Float32Array.from(s, (value) => value / middle);
}

function errorOf(
  { w, K, N }: Siblings['layers'][number],
  squares: Float64Array,
  s: Float32Array,
  { symmetric, ...form }: Form,
): number {
  const shape: BlockShape = { K, N, ...form };
  const scaled = w.map((value, i) => value * s[Math.floor(i / N)]!);
  const back = fromBlocks(roundToNearest(scaled, shape, symmetric), shape);
  let sum = 0;
  for (let k = 0; k < K; k++) {
    let row = 0;
    for (let i = k * N; i < (k + 1) * N; i++) row += (w[i]! - back[i]! / s[k]!) ** 2;
    sum += squares[k]! * row;
  }
  return sum;
}
