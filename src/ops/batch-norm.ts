/** Normalisation over the batch, with running statistics. */

import { float32 } from '../graph/tensor.ts';
import { count, noMacs } from './answer.ts';
import { sumPerChannel } from './conv-slope.ts';
import { tie } from './link.ts';
import { alongChannels, statistics } from './moments.ts';
import { float, int, op, type StaticValue } from './op.ts';
import { positive } from './sample.ts';

export const BatchNormalization = op({
  type: 'BatchNormalization',
  inputs: ['X', 'scale', 'B', 'mean', 'var'],
  outputs: ['Y', 'running_mean?', 'running_var?'],
  attrs: { epsilon: float(1e-5), momentum: float(0.9), training_mode: int(0) },

  // Y = (X − mean) / √(var + ε) · scale + B, per channel of X [N, C, ...]
  shape: ({ X, mean, var: variance }) => [
    { dims: X.dims, dtype: X.dtype },
    { dims: mean.dims, dtype: mean.dtype },
    { dims: variance.dims, dtype: variance.dtype },
  ],

  grad: ({ X, scale, mean, var: variance, dY }, { epsilon }, g) => {
    const [n, channels, ...rest] = X.dims as [number, number, ...number[]];
    const flat = (x: StaticValue): StaticValue => g.reshape(x, [n, channels, count(rest)]);
    const perChannel = (x: StaticValue): StaticValue =>
      g.ReduceSum(g.ReduceSum(flat(x), [2], { keepdims: 0 }), [0], { keepdims: 0 });
    const inverse = g.Div(1, g.Sqrt(g.Add(variance, epsilon)));
    const centred = g.Sub(X, alongChannels(mean, X.dims.length, g));
    const sum = perChannel(dY);
    const weighted = perChannel(g.Mul(dY, centred));
    const gain = g.Mul(scale, inverse);
    return {
      X: g.Mul(dY, alongChannels(gain, X.dims.length, g)),
      scale: g.Mul(weighted, inverse),
      B: sum,
      mean: g.Neg(g.Mul(sum, gain)),
      var: g.Mul(g.Mul(weighted, gain), g.Mul(g.Mul(inverse, inverse), -0.5)),
    };
  },

  // While learning: statistics of the batch, which also flow into the running ones (biased variance, as ONNX says).
  decompose: ({ X, scale, B, mean, var: variance }, { epsilon, momentum, training_mode }, g) => {
    if (training_mode !== 1) return undefined;
    const [Y, batchMean, batchVar] = g.emit('BatchStandardize', [X, scale, B], { epsilon }, { outputs: 4 });
    const flow = (running: StaticValue, batch: StaticValue): StaticValue =>
      g.Add(g.Mul(running, momentum), g.Mul(g.reshape(batch, running.dims), 1 - momentum));
    return [Y!, flow(mean, batchMean!), flow(variance, batchVar!)];
  },
  training: { attrs: { training_mode: 1 }, state: { mean: 'running_mean', var: 'running_var' } },

  couple: ({ X, scale, B, mean, var: variance, Y }) => [
    ...X.map((axis, i) => tie(Y[i]!, axis)),
    ...[scale, B, mean, variance].map((v) => tie(X[1]!, v[0]!, 'statistics of the channel')),
  ],
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [2, 3, 4, 4], scale: [3], B: [3], mean: [3], var: positive(3) },
    { X: [4, 3], scale: [3], B: [3], mean: [3], var: positive(3), attrs: { epsilon: 0.1 } },
  ],
  history: [{ until: 8, modern: ({ attrs: { spatial: _, ...attrs }, ...node }) => ({ ...node, attrs }) }],
});

/**
 * Batch normalisation while learning, whole so that neither it nor its slope reads the batch more often than it must.
 *
 *   c = X − μ;  r = 1 / √(σ² + ε);  a = scale · r;  Y = a · X + (B − a · μ)
 *   dB = Σ dY;  dscale = r · Σ dY · c;  dX = a · dY − (a · r² / m · Σ dY · c) · c − a / m · Σ dY        m = elements per channel
 */
export const BatchStandardize = op({
  type: 'BatchStandardize',
  domain: 'pare',
  inputs: ['X', 'scale', 'B'],
  outputs: ['Y', 'mean', 'variance', 'centred'],
  attrs: { epsilon: float(1e-5) },
  shape: ({ X, scale }) => [X.dims, scale.dims, scale.dims, X.dims].map((dims) => ({ dims, dtype: X.dtype })),
  decompose: ({ X, scale, B }, { epsilon }, g) => {
    const axes = X.dims.flatMap((_, i) => (i === 1 ? [] : [i]));
    const { mean, variance, centred } = statistics(X, axes, g);
    const [m, v] = [mean, variance].map((x) => g.reshape(x, scale.dims)) as [StaticValue, StaticValue];
    // The engine's own op is one pass where two are needed otherwise; it takes no vectors.
    if (X.dims.length > 2) return [g.BatchNormalization(X, scale, B, m, v, { epsilon }), m, v, centred];
    const gain = g.Mul(scale, g.Div(1, g.Sqrt(g.Add(v, epsilon))));
    return [g.Add(g.Mul(centred, gain), B), m, v, centred];
  },
  grad: ({ X, scale, variance, centred, dY }, { epsilon }, g) => {
    const rank = X.dims.length;
    const many = count(X.dims) / X.dims[1]!;
    const sum = sumPerChannel(dY, g);
    const weighted = sumPerChannel(g.Mul(dY, centred), g);
    const r = g.Div(1, g.Sqrt(g.Add(variance, epsilon)));
    const a = g.Mul(scale, r);
    const b = g.Mul(g.Mul(a, g.Mul(r, r)), g.Mul(weighted, -1 / many));
    const d = g.Mul(g.Mul(a, sum), -1 / many);
    const along = (v: StaticValue): StaticValue => (rank > 2 ? alongChannels(v, rank, g) : v);
    const line = (): StaticValue => {
      const [zero, one] = [0, 1].map((x) =>
        g.constant(float32(scale.dims, new Float32Array(count(scale.dims)).fill(x))),
      );
      return g.BatchNormalization(dY, a, d, zero, one, { epsilon: 0 });
    };
    const bent = rank > 2 ? line() : g.Add(g.Mul(dY, a), d);
    return { X: g.Add(bent, g.Mul(centred, along(b))), scale: g.Mul(weighted, r), B: sum };
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [],
});
