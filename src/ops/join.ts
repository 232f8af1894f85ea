/** Joining tensors and taking them apart. */

import { over, plus } from '../graph/dim.ts';
import type { Dim } from '../graph/model.ts';
import { fromFront, noMacs, zerosOf } from './answer.ts';
import { axesFromFront, intOf, wereAttributes, without } from './history.ts';
import { type Axis, adjust, tie, tieRange } from './link.ts';
import { misfit } from './misfit.ts';
import { int, op, type StaticValue, type Value } from './op.ts';
import { intVector } from './sample.ts';

export const Concat = op({
  type: 'Concat',
  inputs: ['...X'],
  attrs: { axis: int(1) },
  shape: ({ X }, { axis }) => {
    const rank = X[0]!.dims.length;
    const at = fromFront(axis, rank);
    if (X.some((x) => x.dims.length !== rank))
      throw misfit('Concat', 'the inputs differ in rank', Object.fromEntries(X.map((x, i) => [`X${i}`, x])));
    const dims = X[0]!.dims.map((dim, i) => {
      const own = X.map((x): Dim => x.dims[i]!);
      if (i === at) return own.reduce((a, b) => plus(a, b));
      const lengths = new Set(own.filter((d) => typeof d === 'number'));
      if (lengths.size > 1)
        throw misfit('Concat', `axis ${i} differs`, Object.fromEntries(X.map((x, k) => [`X${k}`, x])));
      return [...lengths][0] ?? dim;
    });
    return {
      dims,
      dtype: X[0]!.dtype,
      ints: rank === 1 && X.every((x) => x.ints) ? X.flatMap((x) => x.ints!) : undefined,
    };
  },
  grad: ({ X, dY }, { axis }, g) => {
    const at = fromFront(axis, dY.dims.length);
    let from = 0;
    return {
      X: X.map((x) => {
        const start = from;
        from += x.dims[at]!;
        return g.Slice(dY, [start], [from], [at]);
      }),
    };
  },
  couple: ({ X, Y }, { axis }) => {
    const at = fromFront(axis, Y.length);
    let from = 0;
    return X.flatMap((x) => {
      const start = from;
      from += x[at]!.size;
      return x.map((a, i) => (i === at ? tieRange(a, 0, Y[i]!, start, a.size, 'joined') : tie(Y[i]!, a)));
    });
  },
  cost: noMacs,
  quant: 'own',
  samples: [
    {
      X: [
        [2, 3],
        [2, 1],
      ],
      attrs: { axis: 1 },
    },
    {
      X: [
        [2, 3],
        [1, 3],
        [2, 3],
      ],
      attrs: { axis: 0 },
    },
    {
      X: [
        [1, 2, 2],
        [1, 2, 3],
      ],
      attrs: { axis: -1 },
    },
  ],
  history: [axesFromFront('axis')],
});

export const Split = op({
  type: 'Split',
  inputs: ['X', 'split?'],
  outputs: ['...Y'],
  attrs: { axis: int(0), num_outputs: int() },
  shape: ({ X, split }, { axis, num_outputs }, outputs) => {
    const at = fromFront(axis, X.dims.length);
    const sizes = split ? split.ints : evenSplit(X.dims[at]!, num_outputs ?? outputs);
    let from = 0;
    return sizes
      ? sizes.map((size) => {
          const start = from;
          from += typeof size === 'number' ? size : Number.NaN;
          const isVector = X.ints && X.dims.length === 1 && !Number.isNaN(from);
          return {
            dims: X.dims.map((dim, i) => (i === at ? size : dim)),
            dtype: X.dtype,
            ints: isVector ? X.ints!.slice(start, from) : undefined,
          };
        })
      : Array.from({ length: outputs }, () => ({
          dims: X.dims.map((dim, i) => (i === at ? null : dim)),
          dtype: X.dtype,
        }));
  },
  grad: (v, { axis }, g) => {
    const { X, Y, dY } = v as unknown as {
      X: StaticValue;
      Y: readonly StaticValue[];
      dY: readonly (StaticValue | undefined)[];
    };
    const parts = Y.map((y, i) => dY[i] ?? zerosOf(y.dims, g));
    return { X: g.Concat(...parts, { axis: fromFront(axis, X.dims.length) }) };
  },
  couple: (axes, { axis }, values) => {
    const { X, Y } = axes as unknown as { X: readonly Axis[]; Y: readonly (readonly Axis[])[] };
    const at = fromFront(axis, X.length);
    let from = 0;
    const links = Y.flatMap((y) => {
      const start = from;
      from += y[at]!.size;
      return y.map((a, i) => (i === at ? tieRange(a, 0, X[i]!, start, a.size, 'split off') : tie(a, X[i]!)));
    });
    // Along an axis whose size only the run knows, nothing is cut and the parts stay as they are.
    if (typeof (values.X as Value).dims[at] !== 'number') return links;
    return [
      ...links,
      adjust((kept) => ({
        ints: { split: Y.map((y) => kept(y[at]!).length) },
        // Parts of unequal sizes cannot be told by their number.
        attrs: { num_outputs: undefined },
      })),
    ];
  },
  cost: noMacs,
  quant: 'passes',
  samples: [
    { X: [2, 6], split: intVector(2, 4), outputs: 2, attrs: { axis: 1 } },
    { X: [4, 3], outputs: 2, attrs: { num_outputs: 2 } },
  ],
  history: [
    axesFromFront('axis'),
    wereAttributes(12, { name: 'split', at: 1, kind: 'ints' }),
    {
      // Up to opset 17 parts that were not told were of one size.
      until: 17,
      modern: (node) =>
        node.inputs.length > 1
          ? node
          : { ...node, attrs: { ...node.attrs, num_outputs: { kind: 'int', value: node.outputs.length } } },
      old: (node, make) => {
        const plain = without(node, 'num_outputs');
        const dims = make.dims(node.inputs[0]!);
        const size = dims?.[fromFront(intOf(node, 'axis', 0), dims.length)];
        if (node.inputs[1] || typeof size !== 'number' || size % node.outputs.length === 0) return plain;
        const sizes = evenSplit(size, node.outputs.length) as readonly number[];
        return { ...plain, inputs: [node.inputs[0]!, make.constant('split', intVector(...sizes))] };
      },
    },
  ],
});

const evenSplit = (size: Dim, parts: number): readonly Dim[] => {
  if (typeof size !== 'number') return new Array<Dim>(parts).fill(over(size, parts));
  const each = Math.ceil(size / parts);
  return Array.from({ length: parts }, (_, i) => Math.min(each, size - i * each));
};
