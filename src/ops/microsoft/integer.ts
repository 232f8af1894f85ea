/** Integer kernels of ONNX Runtime: costed, protected, opened where a slope is asked for. */

import { broadcast, plus } from '../../graph/dim.ts';
import type { Dim } from '../../graph/model.ts';
import { count, fromFront } from '../answer.ts';
import type { Builder } from '../builder.ts';
import { carried } from '../carried.ts';
import { QLinearConv as ConvRow, QLinearMatMul as MatMulRow } from '../integer.ts';
import { MatMul } from '../matmul.ts';
import { type AttrSpecs, type AttrsOf, float, int, ints, type Row, type StaticValue, text, type Value } from '../op.ts';
import { DequantizeLinear as Dequantize, QuantizeLinear as Quantize } from '../quant.ts';
import { kernel, productScale, real, stored } from '../quantized.ts';
import { exactly, type Sample } from '../sample.ts';
import { windowOf } from '../window.ts';

const domain = 'com.microsoft';

/** The same op in this domain: 16-bit and 4-bit integers came here first. */
const here = (row: Row): Row => ({ ...row, domain, samples: [] });
export const QuantizeLinear = here(Quantize);
export const DequantizeLinear = here(Dequantize);
export const QLinearConv = here(ConvRow);
export const QLinearMatMul = here(MatMulRow);

const elementWise = (type: string, float: 'Add' | 'Mul'): Row =>
  kernel(type, {
    domain,
    inputs: ['A', 'a_scale', 'a_zero?', 'B', 'b_scale', 'b_zero?', 'y_scale', 'y_zero?'],
    attrs: {},
    shape: ({ A, B }) => broadcast(A.dims, B.dims) ?? null,
    decompose: ({ A, a_scale, a_zero, B, b_scale, b_zero, y_scale, y_zero }, _, g) =>
      stored(g[float](real(A, a_scale, a_zero, g), real(B, b_scale, b_zero, g)), y_scale, y_zero, A, g),
    samples: [
      {
        A: exactly('uint8', [2, 3], [1, 200, 30, 44, 250, 6]),
        a_scale: exactly('float32', [], [0.05]),
        a_zero: exactly('uint8', [], [120]),
        B: exactly('uint8', [3], [11, 70, 100]),
        b_scale: exactly('float32', [], [0.03]),
        b_zero: exactly('uint8', [], [50]),
        y_scale: exactly('float32', [], [0.07]),
        y_zero: exactly('uint8', [], [128]),
      },
    ],
  });
export const QLinearAdd = elementWise('QLinearAdd', 'Add');
export const QLinearMul = elementWise('QLinearMul', 'Mul');

const operand = {
  X: exactly('uint8', [1, 2, 2, 2], [130, 2, 30, 44, 250, 6, 77, 128]),
  x_scale: exactly('float32', [], [0.05]),
  x_zero: exactly('uint8', [], [120]),
  y_scale: exactly('float32', [], [0.03]),
  y_zero: exactly('uint8', [], [100]),
} as const;

/** One operand, one result, its own grid for each. */
const unary = <const A extends AttrSpecs>(
  type: string,
  attrs: A,
  float: (x: StaticValue, attrs: AttrsOf<A>, g: Builder) => StaticValue | undefined,
  sample: Sample = { ...operand },
): Row =>
  kernel(type, {
    domain,
    inputs: ['X', 'x_scale', 'x_zero?', 'y_scale', 'y_zero?'],
    attrs,
    shape: ({ X }) => X.dims,
    decompose: ({ X, x_scale, x_zero, y_scale, y_zero }, a, g) => {
      const y = float(real(X, x_scale, x_zero, g), a, g);
      return y && stored(y, y_scale, y_zero, X, g);
    },
    samples: [sample],
  });
const unit = { ...operand, y_scale: exactly('float32', [], [1 / 256]), y_zero: exactly('uint8', [], [0]) };
export const QLinearSigmoid = unary('QLinearSigmoid', {}, (x, _, g) => g.Sigmoid(x), unit);
export const QLinearLeakyRelu = unary('QLinearLeakyRelu', { alpha: float(0.01) }, (x, a, g) => g.LeakyRelu(x, a));
export const QLinearSoftmax = unary(
  'QLinearSoftmax',
  { axis: int(-1), opset: int(13) },
  // Before opset 13 all axes from this one on were one: the same only for the last.
  (x, { axis, opset }, g) =>
    opset < 13 && fromFront(axis, x.dims.length) < x.dims.length - 1 ? undefined : g.Softmax(x, { axis }),
  { ...unit, attrs: { axis: 1, opset: 13 } },
);

const channelsOf = (X: Value, last: number) => (last === 1 ? X.dims.length - 1 : 1);

/** What `make` does to channels in front, done to channels behind. */
function channelsFirst(x: StaticValue, last: number, g: Builder, make: (x: StaticValue) => StaticValue): StaticValue {
  if (last !== 1) return make(x);
  const rank = x.dims.length;
  const forward = Array.from({ length: rank }, (_, i) => (i === 0 ? 0 : i === 1 ? rank - 1 : i - 1));
  const back = Array.from({ length: rank }, (_, i) => (i === 0 ? 0 : i === rank - 1 ? 1 : i + 1));
  return g.Transpose(make(g.Transpose(x, { perm: forward })), { perm: back });
}

export const QLinearGlobalAveragePool = kernel('QLinearGlobalAveragePool', {
  domain,
  inputs: ['X', 'x_scale', 'x_zero', 'y_scale', 'y_zero'],
  attrs: { channels_last: int(0) },
  shape: ({ X }, { channels_last }) =>
    X.dims.map((dim, i): Dim => (i === 0 || i === channelsOf(X, channels_last) ? dim : 1)),
  decompose: ({ X, x_scale, x_zero, y_scale, y_zero }, { channels_last }, g) => {
    const pooled = channelsFirst(real(X, x_scale, x_zero, g), channels_last, g, (x) => g.GlobalAveragePool(x));
    return stored(pooled, y_scale, y_zero, X, g);
  },
  samples: [{ ...operand }, { ...operand, attrs: { channels_last: 1 } }],
});

export const QLinearAveragePool = kernel('QLinearAveragePool', {
  domain,
  inputs: ['X', 'x_scale', 'x_zero?', 'y_scale', 'y_zero?'],
  attrs: {
    auto_pad: text('NOTSET'),
    kernel_shape: ints([]),
    strides: ints(),
    pads: ints(),
    ceil_mode: int(0),
    count_include_pad: int(0),
    channels_last: int(0),
  },
  shape: ({ X }, a) => {
    const spatial = a.channels_last === 1 ? X.dims.slice(1, -1) : X.dims.slice(2);
    const { out } = windowOf(spatial, a.kernel_shape, a);
    const channel = X.dims[channelsOf(X, a.channels_last)]!;
    return a.channels_last === 1 ? [X.dims[0]!, ...out, channel] : [X.dims[0]!, channel, ...out];
  },
  decompose: ({ X, x_scale, x_zero, y_scale, y_zero }, { channels_last, ...a }, g) => {
    const pooled = channelsFirst(real(X, x_scale, x_zero, g), channels_last, g, (x) => g.AveragePool(x, a));
    return stored(pooled, y_scale, y_zero, X, g);
  },
  samples: [
    { ...operand, attrs: { kernel_shape: [2, 1] } },
    { ...operand, attrs: { kernel_shape: [1, 2], channels_last: 1 } },
  ],
});

/** y_scale, y_zero, then tensor, scale and zero point of each operand in turn. */
export const QLinearConcat = kernel('QLinearConcat', {
  domain,
  inputs: ['y_scale', 'y_zero', '...parts'],
  attrs: { axis: int(0) },
  shape: ({ parts }, { axis }) => {
    const tensors = parts.filter((_, i) => i % 3 === 0);
    const first = tensors[0]!;
    const at = fromFront(axis, first.dims.length);
    const dims = first.dims.map((dim, i) =>
      i === at ? tensors.map((x): Dim => x.dims[i]!).reduce((a, b) => plus(a, b)) : dim,
    );
    return { dims, dtype: first.dtype };
  },
  decompose: ({ y_scale, y_zero, parts }, { axis }, g) => {
    const tensors = parts.flatMap((x, i) => (i % 3 === 0 ? [real(x, parts[i + 1]!, parts[i + 2], g)] : []));
    return stored(g.Concat(...tensors, { axis }), y_scale, y_zero, parts[0]!, g);
  },
  samples: [
    {
      y_scale: exactly('float32', [], [0.06]),
      y_zero: exactly('uint8', [], [110]),
      parts: [operand.X, operand.x_scale, operand.x_zero, operand.X, operand.y_scale, operand.y_zero],
      attrs: { axis: 1 },
    },
  ],
});

export const QLinearWhere = kernel('QLinearWhere', {
  domain,
  inputs: ['condition', 'X', 'x_scale', 'x_zero', 'Z', 'z_scale', 'z_zero', 'y_scale', 'y_zero'],
  attrs: {},
  shape: ({ condition, X, Z }) => {
    const dims = broadcast(condition.dims, X.dims, Z.dims);
    return dims ? { dims, dtype: X.dtype } : null;
  },
  decompose: ({ condition, X, x_scale, x_zero, Z, z_scale, z_zero, y_scale, y_zero }, _, g) =>
    stored(g.Where(condition, real(X, x_scale, x_zero, g), real(Z, z_scale, z_zero, g)), y_scale, y_zero, X, g),
  samples: [
    {
      ...operand,
      condition: exactly('bool', [2, 2], [1, 0, 0, 1]),
      Z: exactly('uint8', [1, 2, 1, 1], [20, 230]),
      z_scale: exactly('float32', [], [0.04]),
      z_zero: exactly('uint8', [], [128]),
    },
  ],
});

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

/** NHWC twins of the standard pools and convolutions hold integers alone; their channel comes last. */
export const NhwcMaxPool = carried('NhwcMaxPool', {
  domain,
  inputs: ['X'],
  attrs: {
    auto_pad: text('NOTSET'),
    kernel_shape: ints([]),
    strides: ints(),
    pads: ints(),
    dilations: ints(),
    ceil_mode: int(0),
  },
  shape: ({ X }, a) => [
    X.dims[0]!,
    ...windowOf(X.dims.slice(1, -1), a.kernel_shape, a).out,
    X.dims[X.dims.length - 1]!,
  ],
});
