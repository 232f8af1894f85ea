/** Values made of nothing but attributes, sizes and ranges. */

import { times } from '../graph/dim.ts';
import { dtypeOf } from '../graph/dtype.ts';
import type { Dim } from '../graph/model.ts';
import { numbers, tensor } from '../graph/tensor.ts';
import { fromFront, noMacs } from './answer.ts';
import { adjust, free } from './link.ts';
import { float, floatList, int, ints, op, tensorAttr, text, textList } from './op.ts';
import { exactly, intVector } from './sample.ts';

export const Constant = op({
  type: 'Constant',
  inputs: [],
  attrs: {
    value: tensorAttr(),
    value_float: float(),
    value_floats: floatList(),
    value_int: int(),
    value_ints: ints(),
    value_string: text(),
    value_strings: textList(),
  },
  shape: (_, a) => {
    const constant =
      a.value ??
      (a.value_int !== undefined
        ? tensor('int64', [], [a.value_int])
        : a.value_ints
          ? tensor('int64', [a.value_ints.length], a.value_ints)
          : a.value_float !== undefined
            ? tensor('float32', [], [a.value_float])
            : a.value_floats
              ? tensor('float32', [a.value_floats.length], a.value_floats)
              : undefined);
    if (constant) return { dims: constant.dims, dtype: constant.dtype, constant };
    return { dims: a.value_strings ? [a.value_strings.length] : [], dtype: 'string' };
  },
  grad: 'none',
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [],
  history: [
    {
      // Up to opset 11 every constant was a tensor.
      until: 11,
      old: (node, make) => {
        const value = node.attrs['value'] ? undefined : make.constantOf(node.outputs[0]!);
        return value ? { ...node, attrs: { value: { kind: 'tensor', value } } } : node;
      },
    },
  ],
});

export const Shape = op({
  type: 'Shape',
  inputs: ['X'],
  attrs: { start: int(0), end: int() },
  shape: ({ X }, { start, end }) => {
    const rank = X.dims.length;
    const clamp = (i: number) => Math.min(Math.max(fromFront(i, rank), 0), rank);
    const part = X.dims.slice(clamp(start), clamp(end ?? rank));
    return { dims: [part.length], dtype: 'int64', ints: part };
  },
  grad: 'none',
  couple: ({ X }) => X.map(free),
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [2, 3, 4] }, { X: [2, 3, 4], attrs: { start: -2 } }],
});

export const Size = op({
  type: 'Size',
  inputs: ['X'],
  attrs: {},
  shape: ({ X }) => ({ dims: [], dtype: 'int64', ints: [times(...X.dims)] }),
  grad: 'none',
  couple: ({ X }) => X.map(free),
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [2, 3] }],
});

export const ConstantOfShape = op({
  type: 'ConstantOfShape',
  inputs: ['shape'],
  attrs: { value: tensorAttr() },
  shape: ({ shape }, { value }) => {
    const dtype = value?.dtype ?? 'float32';
    if (!shape.ints)
      return typeof shape.dims[0] === 'number' ? { dims: new Array<Dim>(shape.dims[0]).fill(null), dtype } : null;
    const count = times(...shape.ints);
    const fill = dtype === 'int64' && typeof count === 'number' && count <= 1024 ? numbers(value!)[0]! : undefined;
    return {
      dims: shape.ints,
      dtype,
      ints: fill === undefined ? undefined : new Array<Dim>(count as number).fill(fill),
    };
  },
  grad: 'none',
  couple: ({ Y }) => [
    // All elements are alike: any of them may go, and the shape follows.
    ...Y.map(free),
    adjust((kept) => ({
      entries: {
        shape: new Map(Y.flatMap((axis, i) => (kept(axis).length === axis.size ? [] : [[i, kept(axis).length]]))),
      },
    })),
  ],
  cost: noMacs,
  quant: 'float',
  samples: [{ shape: intVector(2, 3) }, { shape: intVector(2), attrs: { value: tensor('int64', [1], [7]) } }],
});

export const Range = op({
  type: 'Range',
  inputs: ['start', 'limit', 'delta'],
  attrs: {},
  shape: ({ start, limit, delta }) => {
    const [a, b, d] = [start.ints?.[0], limit.ints?.[0], delta.ints?.[0]];
    if (typeof a === 'number' && typeof b === 'number' && typeof d === 'number') {
      const count = Math.max(0, Math.ceil((b - a) / d));
      return {
        dims: [count],
        dtype: start.dtype,
        ints: count <= 1024 ? Array.from({ length: count }, (_, i) => a + i * d) : undefined,
      };
    }
    return { dims: [a === 0 && d === 1 && b !== undefined ? b : null], dtype: start.dtype };
  },
  grad: 'none',
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [{ start: exactly('int64', [], [1]), limit: exactly('int64', [], [8]), delta: exactly('int64', [], [3]) }],
});

export const OneHot = op({
  type: 'OneHot',
  inputs: ['indices', 'depth', 'values'],
  attrs: { axis: int(-1) },
  shape: ({ indices, depth, values }, { axis }) => {
    const at = fromFront(axis, indices.dims.length + 1);
    return {
      dims: [...indices.dims.slice(0, at), depth.ints?.[0] ?? null, ...indices.dims.slice(at)],
      dtype: values.dtype,
    };
  },
  grad: 'none',
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [
    {
      indices: exactly('int64', [3], [0, 2, 1]),
      depth: exactly('int64', [1], [4]),
      values: exactly('float32', [2], [0, 1]),
    },
  ],
});

export const EyeLike = op({
  type: 'EyeLike',
  inputs: ['X'],
  attrs: { dtype: int(), k: int(0) },
  shape: ({ X }, { dtype }) => ({ dims: X.dims, dtype: (dtype && dtypeOf(dtype)) || X.dtype }),
  grad: 'none',
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [3, 4], attrs: { k: 1 } }],
});
