/**
 * Activation-aware scales for weights in blocks: channels that carry much are made larger, and so err less.
 *
 *   s_k = x_k^r / (w_k^(1 − r) + 1e-4), divided by sqrt(max s · min s)      x_k: root mean square of input k; w_k: mean |W_k|
 *   r among 0, 1/20 … 19/20 (or no scales at all), by the least Σ_k x_k² ‖W_k − Q(s W)_k / s_k‖²
 *
 * Source   Lin et al. 2024, "AWQ", arXiv:2306.00978; the loss takes the diagonal of E[x xᵀ] only.
 */

import type { Model } from '../graph/model.ts';
import { type BlockShape, codeOf, gridOfBlock, transposed } from './blocks.ts';
import { type Siblings, scaleInputs } from './input-scales.ts';
import type { MatrixOptions } from './matrix-layers.ts';

const GRID = 20;

type Form = Pick<BlockShape, 'bits' | 'size'> & { readonly symmetric: boolean };

/** The model with scales that suit blocks of this form, where what makes a value can absorb them; `squares` holds E[x²] [K] by name. */
export const scaleForBlocks = (
  model: Model,
  squares: ReadonlyMap<string, Float64Array>,
  form: Form,
  options: MatrixOptions = {},
): Model => scaleInputs(model, (siblings) => best(siblings, squares.get(siblings.input), form), options).model;

function best({ K, layers }: Siblings, squares: Float64Array | undefined, form: Form): Float32Array | undefined {
  if (!squares) return undefined;
  const sizes = new Float64Array(K);
  const turned = layers.map(({ w, N }) => {
    for (let k = 0, i = 0; k < K; k++) {
      let sum = 0;
      for (const end = i + N; i < end; i++) sum += Math.abs(w[i]!);
      sizes[k]! += sum / N;
    }
    return transposed(w, K, N);
  });
  const lossWith = (s: Float32Array): number => turned.reduce((sum, rows) => sum + errorOf(rows, squares, s, form), 0);
  let least = lossWith(new Float32Array(K).fill(1));
  let chosen: Float32Array | undefined;
  for (let step = 0; step < GRID; step++) {
    const s = factors(squares, sizes, step / GRID);
    const error = lossWith(s);
    if (error < least) [least, chosen] = [error, s];
  }
  return chosen;
}

function factors(squares: Float64Array, sizes: Float64Array, r: number): Float32Array {
  const s = squares.map((square, k) => Math.max(Math.sqrt(square) ** r / (sizes[k]! ** (1 - r) + 1e-4), 1e-4));
  const middle = Math.sqrt(s.reduce((a, b) => Math.max(a, b)) * s.reduce((a, b) => Math.min(a, b)));
  return Float32Array.from(s, (value) => value / middle);
}

/** Σ_k x_k² ‖W_k − Q(s W)_k / s_k‖² for the transposed weights [N, K]. */
function errorOf(rows: Float32Array, squares: Float64Array, s: Float32Array, { bits, size, symmetric }: Form): number {
  const K = squares.length;
  const scaled = new Float32Array(size);
  const weights = squares.map((square, k) => square / s[k]! ** 2);
  let sum = 0;
  for (let at = 0; at < rows.length; at += K) {
    for (let from = 0; from < K; from += size) {
      const count = Math.min(size, K - from);
      for (let i = 0; i < count; i++) scaled[i] = rows[at + from + i]! * s[from + i]!;
      const { scale, zero } = gridOfBlock(scaled, 0, count, bits, symmetric);
      for (let i = 0; i < count; i++) {
        const x = scaled[i]!;
        const rest = x - (codeOf(x / scale, zero, bits) - zero) * scale;
        sum += weights[from + i]! * rest * rest;
      }
    }
  }
  return sum;
}
