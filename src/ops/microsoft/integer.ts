/** Integer kernels of ONNX Runtime, element by element: costed, protected, opened where a slope is asked for. */

import { broadcast, plus } from '../../graph/dim.ts';
import type { Dim } from '../../graph/model.ts';
import { fromFront } from '../answer.ts';
import type { Builder } from '../builder.ts';
import { QLinearConv as ConvRow, QLinearMatMul as MatMulRow } from '../integer.ts';
import { type AttrSpecs, type AttrsOf, float, int, type Row, type StaticValue } from '../op.ts';
import { DequantizeLinear as Dequantize, QuantizeLinear as Quantize } from '../quant.ts';
import { gridded, kernel, real, stored } from '../quantized.ts';
import { exactly, type Sample } from '../sample.ts';

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

/** One operand, one result, its own grid for each. */
const unary = <const A extends AttrSpecs>(
  type: string,
  attrs: A,
  float: (x: StaticValue, attrs: AttrsOf<A>, g: Builder) => StaticValue | undefined,
  sample: Sample = { ...gridded },
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
const unit = { ...gridded, y_scale: exactly('float32', [], [1 / 256]), y_zero: exactly('uint8', [], [0]) };
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
      parts: [gridded.X, gridded.x_scale, gridded.x_zero, gridded.X, gridded.y_scale, gridded.y_zero],
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
      ...gridded,
      condition: exactly('bool', [2, 2], [1, 0, 0, 1]),
      Z: exactly('uint8', [1, 2, 1, 1], [20, 230]),
      z_scale: exactly('float32', [], [0.04]),
      z_zero: exactly('uint8', [], [128]),
    },
  ],
});
