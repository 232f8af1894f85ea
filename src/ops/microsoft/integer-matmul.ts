/** Matrix products of ONNX Runtime on integers, and the attention that is made of them. */

import { plus } from '../../graph/dim.ts';
import type { Dim } from '../../graph/model.ts';
import { count } from '../answer.ts';
import { MatMul } from '../matmul.ts';
import { float, int, type StaticValue } from '../op.ts';
import { kernel, productScale, real, stored } from '../quantized.ts';
import { exactly } from '../sample.ts';

const domain = 'com.microsoft';

/** Y = α·A·B + C, the sum's step being α times those of the factors. Without a grid for the result it is floats. */
export const QGemm = kernel('QGemm', {
  domain,
  inputs: ['A', 'a_scale', 'a_zero', 'B', 'b_scale', 'b_zero', 'C?', 'y_scale?', 'y_zero?'],
  attrs: { alpha: float(1), transA: int(0), transB: int(0) },
  shape: ({ A, B, y_zero }, { transA, transB }) => ({
    dims: [A.dims[transA]!, B.dims[1 - transB]!],
    dtype: y_zero?.dtype ?? 'float32',
  }),
  cost: ({ A, Y }, { transA }) => ({ macs: count(Y.dims) * A.dims[1 - transA]! }),
  decompose: ({ A, a_scale, a_zero, B, b_scale, b_zero, C, y_scale, y_zero }, { alpha, transA, transB }, g) => {
    const bias = C && real(C, productScale(a_scale, b_scale, g), undefined, g, C.dims.length - 1);
    const factors = [real(A, a_scale, a_zero, g), real(B, b_scale, b_zero, g, 1 - transB)];
    const y = g.Gemm(...factors, bias, { alpha, beta: alpha, transA, transB });
    return y_scale ? stored(y, y_scale, y_zero, A, g) : [y];
  },
  samples: [
    {
      A: exactly('uint8', [2, 3], [1, 200, 30, 44, 250, 6]),
      a_scale: exactly('float32', [], [0.05]),
      a_zero: exactly('uint8', [], [120]),
      B: exactly('int8', [2, 3], [11, -70, 100, 3, 5, -6]),
      b_scale: exactly('float32', [2], [0.02, 0.01]),
      b_zero: exactly('int8', [2], [0, 0]),
      C: exactly('int32', [2], [400, -300]),
      attrs: { transB: 1 },
      macs: 2 * 2 * 3,
    },
  ],
});

export const DynamicQuantizeMatMul = kernel('DynamicQuantizeMatMul', {
  domain,
  inputs: ['A', 'B', 'b_scale', 'b_zero?', 'bias?'],
  attrs: {},
  shape: ({ A, B }, a, outputs, scope) => MatMul.shape({ A, B }, a, outputs, scope),
  cost: ({ A, Y }) => ({ macs: count(Y.dims) * A.dims[A.dims.length - 1]! }),
  decompose: ({ A, B, b_scale, b_zero, bias }, _, g) => {
    const [steps, scale, zero] = g.emit('DynamicQuantizeLinear', [A], {}, { outputs: 3 }) as [
      StaticValue,
      StaticValue,
      StaticValue,
    ];
    const y = g.MatMul(real(steps, scale, zero, g), real(B, b_scale, b_zero, g, B.dims.length - 1));
    return [bias ? g.Add(y, bias) : y];
  },
  samples: [
    {
      A: exactly('float32', [2, 2], [1, 2, 3, 4]),
      B: exactly('int8', [2, 3], [1, 2, 3, 4, 5, 6]),
      b_scale: exactly('float32', [1], [0.5]),
      macs: 2 * 3 * 2,
    },
    {
      A: exactly('float32', [2, 2], [1, -2, 0.3, 4]),
      B: exactly('int8', [2, 3], [1, -2, 3, 4, 5, -6]),
      b_scale: exactly('float32', [3], [0.5, 0.1, 0.2]),
      b_zero: exactly('int8', [3], [0, 1, 2]),
      bias: exactly('float32', [3], [1, 2, 3]),
      macs: 2 * 3 * 2,
    },
  ],
});

export const MatMulIntegerToFloat = kernel('MatMulIntegerToFloat', {
  domain,
  inputs: ['A', 'B', 'a_scale', 'b_scale', 'a_zero?', 'b_zero?', 'bias?'],
  attrs: {},
  shape: ({ A, B, a_scale }, a, outputs, scope) => ({
    dims: MatMul.shape({ A, B }, a, outputs, scope) as readonly Dim[],
    dtype: a_scale.dtype,
  }),
  cost: ({ A, Y }) => ({ macs: count(Y.dims) * A.dims[A.dims.length - 1]! }),
  decompose: ({ A, B, a_scale, b_scale, a_zero, b_zero, bias }, _, g) => {
    const y = g.MatMul(real(A, a_scale, a_zero, g), real(B, b_scale, b_zero, g, B.dims.length - 1));
    return [bias ? g.Add(y, bias) : y];
  },
  samples: [
    {
      A: exactly('uint8', [2, 3], [1, 200, 30, 44, 250, 6]),
      B: exactly('int8', [3, 2], [11, -70, 100, 3, 5, -6]),
      a_scale: exactly('float32', [], [0.05]),
      b_scale: exactly('float32', [2], [0.02, 0.01]),
      a_zero: exactly('uint8', [], [120]),
      b_zero: exactly('int8', [2], [0, 1]),
      bias: [2],
      macs: 2 * 2 * 3,
    },
  ],
});

export const QAttention = kernel('QAttention', {
  domain,
  inputs: [
    'input',
    'weight',
    'bias',
    'input_scale',
    'weight_scale',
    'mask_index?',
    'input_zero?',
    'weight_zero?',
    'past?',
  ],
  outputs: ['Y', 'present?'],
  attrs: {
    num_heads: int(1),
    unidirectional: int(0),
    mask_filter_value: float(-10000),
    do_rotary: int(0),
    scale: float(),
  },
  shape: ({ input, weight, bias, past }, { num_heads }) => {
    const hidden = typeof weight.dims[1] === 'number' ? weight.dims[1] / 3 : null;
    const total = past ? plus(past.dims[3]!, input.dims[1]!) : input.dims[1]!;
    const depth = hidden === null ? null : hidden / num_heads;
    return [
      { dims: [input.dims[0]!, input.dims[1]!, hidden], dtype: bias.dtype },
      { dims: [2, input.dims[0]!, num_heads, total, depth], dtype: bias.dtype },
    ];
  },
  // The same attention on the floats that the integers stand for.
  decompose: ({ input, weight, bias, input_scale, weight_scale, mask_index, input_zero, weight_zero, past }, a, g) => {
    const operands = [real(input, input_scale, input_zero, g), real(weight, weight_scale, weight_zero, g, 1), bias];
    const { do_rotary: _, ...attrs } = a;
    if (a.do_rotary === 1) return undefined;
    return g.emit('Attention', [...operands, mask_index, past], attrs, { domain, outputs: 2 });
  },
  cost: ({ input, weight }) => {
    const [batch, length] = input.dims as [number, number];
    const hidden = weight.dims[1]! / 3;
    return { macs: batch * length * count(weight.dims) + batch * length * length * 2 * hidden };
  },
  samples: [
    {
      input: exactly(
        'uint8',
        [1, 3, 4],
        Array.from({ length: 12 }, (_, i) => (i * 53) % 256),
      ),
      weight: exactly(
        'int8',
        [4, 12],
        Array.from({ length: 48 }, (_, i) => ((i * 37) % 200) - 100),
      ),
      bias: [12],
      input_scale: exactly('float32', [], [0.01]),
      weight_scale: exactly('float32', [], [0.01]),
      input_zero: exactly('uint8', [], [128]),
      weight_zero: exactly('int8', [], [0]),
      attrs: { num_heads: 2 },
      macs: 3 * 4 * 12 + 3 * 3 * 8,
    },
  ],
});
