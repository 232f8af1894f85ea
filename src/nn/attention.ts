/** Attention, and the blocks that are made of it. */

import { tensor } from '../graph/tensor.ts';
import type { Value } from '../ops/op.ts';
import { gaussian, glorotUniform } from './initializer.ts';
import { chainLayers, fixed, type Layer } from './layer.ts';
import { dense, dropout, gelu, projection, relu, residual } from './layers.ts';
import { layerNorm } from './norms.ts';

export interface AttentionOptions {
  /** A step sees only itself and what came before. Default false. */
  causal?: boolean;
  /** Added to the scores [N, heads, T, T] before the softmax, such as −10⁹ where a step is padding; shapes broadcast. */
  bias?: Value;
  /** Share of the attention weights dropped while learning. Default 0. */
  dropout?: number;
}

/**
 * Self-attention with several heads: softmax(Q Kᵀ / √d) V, [N, T, D] → [N, T, D].
 *
 * Weights  in_proj [D, 3 D] holds Q, K and V side by side; out_proj [D, D].
 * Source   Vaswani et al. 2017, arXiv:1706.03762.
 */
export const multiHeadAttention =
  (heads: number, { causal = false, bias, dropout: share = 0 }: AttentionOptions = {}): Layer =>
  (x, make) => {
    const { g, name } = make;
    const layer = name('attention');
    const [steps, width] = [fixed(x.dims[1]), fixed(x.dims[2])];
    const size = width / heads;
    const packed = projection(`${layer}.in_proj`, 3 * width, { init: glorotUniform })(x, make); // [N, T, 3 D]
    const [q, k, v] = g
      .emit('Split', [packed], { axis: 2, num_outputs: 3 }, { outputs: 3 })
      .map((part) => g.Reshape(part, [0, steps, heads, size])); // [N, T, heads, d]
    const scaled = g.Mul(g.Transpose(q!, { perm: [0, 2, 1, 3] }), 1 / Math.sqrt(size));
    let scores = g.MatMul(scaled, g.Transpose(k!, { perm: [0, 2, 3, 1] })); // [N, heads, T, T]
    if (bias) scores = g.Add(scores, bias);
    if (causal) scores = g.Add(scores, laterSteps(steps, g));
    const shares = g.emit('Softmax', [scores], { axis: -1 }, { name: layer })[0]!;
    const kept = share > 0 ? dropout(share)(shares, make) : shares;
    const mixed = g.MatMul(kept, g.Transpose(v!, { perm: [0, 2, 1, 3] })); // [N, heads, T, d]
    const joined = g.Reshape(g.Transpose(mixed, { perm: [0, 2, 1, 3] }), [0, steps, width]);
    return projection(`${layer}.out_proj`, width, { init: glorotUniform })(joined, make);
  };

/** [T, T]: −10⁹ above the diagonal. Kept as integers, so that nothing takes it for a weight. */
function laterSteps(steps: number, g: Parameters<Layer>[1]['g']): Value {
  const later = Array.from({ length: steps * steps }, (_, i) => (i % steps > Math.floor(i / steps) ? 1 : 0));
  return g.Mul(g.Cast(g.constant(tensor('int64', [steps, steps], later), 'later'), { to: 1 }), -1e9);
}

export interface TransformerBlockOptions extends AttentionOptions {
  readonly heads: number;
  /** Units of the inner layer. Default 4 · D. */
  readonly hidden?: number;
  /** Default 'gelu'. */
  readonly activation?: 'relu' | 'gelu';
  /** Whether normalisation comes before each part, or behind each sum. Default 'pre'. */
  readonly norm?: 'pre' | 'post';
  /** Dropped from each part's result while learning. Default 0. */
  readonly dropout?: number;
}

/** Attention and two dense layers, each added to what it read: [N, T, D] → [N, T, D]. Pre-norm: Xiong et al. 2020, arXiv:2002.04745. */
export const transformerBlock =
  ({
    heads,
    hidden,
    activation = 'gelu',
    norm = 'pre',
    dropout: share = 0,
    ...attention
  }: TransformerBlockOptions): Layer =>
  (x, make) => {
    const width = fixed(x.dims[2]);
    const drop = share > 0 ? [dropout(share)] : [];
    const attend = chainLayers(multiHeadAttention(heads, attention), ...drop);
    const think = chainLayers(
      dense(hidden ?? 4 * width, { init: glorotUniform }),
      activation === 'relu' ? relu() : gelu(),
      ...drop,
      dense(width, { init: glorotUniform }),
      ...drop,
    );
    const parts = [attend, think].map((part) =>
      norm === 'pre' ? residual(chainLayers(layerNorm(), part)) : chainLayers(residual(part), layerNorm()),
    );
    return chainLayers(...parts)(x, make);
  };

/** x + one trained vector per step: [N, T, D]. */
export const learnedPositions =
  ({ deviation = 0.02 }: { deviation?: number } = {}): Layer =>
  (x, { g, name, weight }) => {
    const layer = name('positions');
    const table = weight(`${layer}.weight`, [fixed(x.dims[1]), fixed(x.dims[2])], gaussian(deviation));
    return g.emit('Add', [x, table], {}, { name: layer })[0]!;
  };

/**
 * x + sines and cosines of the step at D / 2 wave lengths from 2π to 10000 · 2π: [N, T, D]. Nothing is trained.
 *
 * Source   Vaswani et al. 2017, arXiv:1706.03762, section 3.5.
 */
export const sinusoidalPositions =
  (): Layer =>
  (x, { g, name }) => {
    const layer = name('positions');
    const [steps, width] = [fixed(x.dims[1]), fixed(x.dims[2])];
    const table = Array.from({ length: steps * width }, (_, i) => {
      const [t, d] = [Math.floor(i / width), i % width];
      const angle = t / 10000 ** ((d - (d % 2)) / width);
      return d % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
    });
    // Float64, so that nothing takes it for a weight.
    const fixedTable = g.Cast(g.constant(tensor('float64', [steps, width], table), `${layer}.table`), { to: 1 });
    return g.emit('Add', [x, fixedTable], {}, { name: layer })[0]!;
  };
