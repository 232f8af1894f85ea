/** Products and convolutions with what follows them, as optimised files have them. */

import type { Builder } from '../builder.ts';
import { Conv } from '../conv.ts';
import { Gemm } from '../matmul.ts';
import { float, floatList, int, ints, op, type StaticValue, text } from '../op.ts';

const DOMAIN = 'com.microsoft';

/** The activation that was fused in, by its ONNX name; undefined when it is one that we cannot spell out. */
function activated(
  x: StaticValue,
  name: string,
  [a = 0, b = 0]: readonly number[],
  g: Builder,
): StaticValue | undefined {
  if (name === '') return x;
  if (name === 'Relu' || name === 'Sigmoid' || name === 'Tanh') return g.emit(name, [x])[0];
  if (name === 'LeakyRelu') return g.LeakyRelu(x, { alpha: a });
  if (name === 'HardSigmoid') return g.HardSigmoid(x, { alpha: a, beta: b });
  if (name === 'Clip') return g.Clip(x, a, b);
  return undefined;
}

const only = (value: StaticValue | undefined): StaticValue[] | undefined => value && [value];

/** Y = activation(Conv(X, W, B) + Z). */
export const FusedConv = op({
  type: 'FusedConv',
  domain: DOMAIN,
  inputs: ['X', 'W', 'B?', 'Z?'],
  attrs: {
    auto_pad: text('NOTSET'),
    kernel_shape: ints(),
    strides: ints(),
    dilations: ints(),
    pads: ints(),
    group: int(1),
    activation: text(''),
    activation_params: floatList([]),
  },
  shape: ({ X, W, B }, a, outputs, scope) => Conv.shape({ X, W, B }, a, outputs, scope),
  grad: 'missing',
  decompose: ({ X, W, B, Z }, { activation, activation_params, ...a }, g) => {
    const y = g.Conv(X, W, B, a);
    return only(activated(Z ? g.Add(y, Z) : y, activation, activation_params, g));
  },
  couple: 'none',
  cost: (v, a) => (Conv.cost as Exclude<typeof Conv.cost, 'none'>)(v as never, a),
  quant: 'float',
  samples: [
    { X: [1, 2, 4, 4], W: [3, 2, 3, 3], B: [3], attrs: { activation: 'Relu' } },
    { X: [1, 2, 4, 4], W: [3, 2, 3, 3], B: [3], attrs: { activation: 'LeakyRelu', activation_params: [0.2] } },
  ],
});

/** Y = activation(α·A·B + β·C). */
export const FusedGemm = op({
  type: 'FusedGemm',
  domain: DOMAIN,
  inputs: ['A', 'B', 'C?'],
  attrs: {
    alpha: float(1),
    beta: float(1),
    transA: int(0),
    transB: int(0),
    activation: text(''),
    activation_alpha: float(0),
    activation_beta: float(0),
  },
  shape: ({ A, B, C }, a, outputs, scope) => Gemm.shape({ A, B, C }, a, outputs, scope),
  grad: 'missing',
  decompose: ({ A, B, C }, { activation, activation_alpha, activation_beta, ...a }, g) =>
    only(activated(g.Gemm(A, B, C, a), activation, [activation_alpha, activation_beta], g)),
  couple: 'none',
  cost: (v, a) => (Gemm.cost as Exclude<typeof Gemm.cost, 'none'>)(v as never, a),
  quant: 'float',
  samples: [{ A: [2, 3], B: [3, 4], C: [4], attrs: { activation: 'Relu' } }],
});
