/** Ops that move, select or repeat elements, and the shape arithmetic that exporters emit. */

import { broadcast, isStatic, minus, over, plus, times } from '../graph/dim.ts';
import type { Dim } from '../graph/model.ts';
import { int64, numbers, tensor } from '../graph/tensor.ts';
import { unary } from './element-wise.ts';
import { type Axis, adjust, free, type Kept, type Link, tie, tieBroadcast, tieRange } from './link.ts';
import { misfit } from './misfit.ts';
import { float, floatList, int, ints, op, type StaticValue, tensorAttr, text, textList, type Value } from './op.ts';
import { reshapeLinks } from './reshape-links.ts';
import { exactly, intVector } from './sample.ts';

const fromFront = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
const known = (value: Value | undefined): readonly number[] | undefined =>
  value?.ints?.every((x) => typeof x === 'number') ? (value.ints as readonly number[]) : undefined;
const noMacs = () => ({ macs: 0 });

export const Identity = unary('Identity', ({ dY }) => dY, { quant: 'passes', ints: (x) => x });

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
    if (a.value)
      return {
        dims: a.value.dims,
        dtype: a.value.dtype,
        ints: a.value.dtype.includes('int') ? numbers(a.value).slice(0, 1024) : undefined,
      };
    if (a.value_int !== undefined) return { dims: [], dtype: 'int64', ints: [a.value_int] };
    if (a.value_ints) return { dims: [a.value_ints.length], dtype: 'int64', ints: a.value_ints };
    if (a.value_float !== undefined) return { dims: [], dtype: 'float32' };
    if (a.value_floats) return { dims: [a.value_floats.length], dtype: 'float32' };
    return { dims: a.value_strings ? [a.value_strings.length] : [], dtype: 'string' };
  },
  grad: 'none',
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [],
});

/** The dimensions that a shape vector asks for: 0 copies, −1 takes what remains. */
function reshaped(X: Value, wanted: readonly Dim[], allowZero: number): Dim[] {
  const dims = wanted.map((dim, i) => (dim === 0 && !allowZero ? (X.dims[i] ?? null) : dim));
  const open = dims.indexOf(-1);
  if (open < 0) return dims;
  const rest = times(...dims.filter((_, i) => i !== open));
  dims[open] = rest === 0 ? 0 : over(times(...X.dims), rest);
  return dims;
}

/** The shape vector after a cut: symbols stay open, numbers follow what was kept. */
function reshapeAfterCut(wanted: readonly Dim[], Y: readonly Axis[], X: Value, kept: Kept): readonly number[] {
  let open = wanted.some((dim) => dim === -1);
  return Y.map((axis, i) => {
    const dim = wanted[i]!;
    if (dim === -1 || dim === 0) return dim;
    if (typeof dim === 'number') return kept(axis).length;
    if (X.dims[i] === dim) return 0;
    if (open) throw new Error('a reshape with two open dimensions');
    open = true;
    return -1;
  });
}

const canReopen = (wanted: readonly Dim[], X: Value): boolean =>
  wanted.filter((dim, i) => dim === -1 || dim === null || (typeof dim === 'string' && X.dims[i] !== dim)).length <= 1;

export const Reshape = op({
  type: 'Reshape',
  inputs: ['X', 'shape'],
  attrs: { allowzero: int(0) },
  shape: ({ X, shape }, { allowzero }) => {
    if (shape.ints) {
      const dims = reshaped(X, shape.ints, allowzero);
      const [from, to] = [times(...X.dims), times(...dims)];
      if (typeof from === 'number' && typeof to === 'number' && from !== to) {
        throw misfit('Reshape', `${from} elements cannot become ${to}`, { X, shape: { ...shape, dims } });
      }
      return { dims, dtype: X.dtype, ints: X.ints };
    }
    const rank = shape.dims[0];
    return typeof rank === 'number' ? { dims: new Array<Dim>(rank).fill(null), dtype: X.dtype, ints: X.ints } : null;
  },
  grad: ({ X, dY }, _, g) => ({ X: g.reshape(dY, X.dims) }),
  couple: ({ X, Y }, _, { X: x, shape }) =>
    shape.ints && canReopen(shape.ints, x)
      ? [...reshapeLinks(X, Y), adjust((kept) => ({ ints: { shape: reshapeAfterCut(shape.ints!, Y, x, kept) } }))]
      : [],
  cost: noMacs,
  quant: 'passes',
  samples: [
    { X: [2, 3, 4], shape: intVector(2, 12) },
    { X: [2, 12], shape: intVector(0, 3, -1) },
    { X: [4, 6], shape: intVector(2, 2, 6) },
  ],
});

export const Flatten = op({
  type: 'Flatten',
  inputs: ['X'],
  attrs: { axis: int(1) },
  shape: ({ X }, { axis }) => {
    const at = fromFront(axis, X.dims.length);
    return [times(...X.dims.slice(0, at)), times(...X.dims.slice(at))];
  },
  grad: ({ X, dY }, _, g) => ({ X: g.reshape(dY, X.dims) }),
  couple: ({ X, Y }) => reshapeLinks(X, Y),
  cost: noMacs,
  quant: 'passes',
  samples: [{ X: [2, 3, 4] }, { X: [2, 3, 4], attrs: { axis: 2 } }, { X: [2, 3], attrs: { axis: 0 } }],
});

export const Transpose = op({
  type: 'Transpose',
  inputs: ['X'],
  attrs: { perm: ints() },
  shape: ({ X }, { perm }) => permutation(perm, X.dims.length).map((axis) => X.dims[axis]!),
  grad: ({ X, dY }, { perm }, g) => {
    const order = permutation(perm, X.dims.length);
    return { X: g.Transpose(dY, { perm: order.map((_, i) => order.indexOf(i)) }) };
  },
  couple: ({ X, Y }, { perm }) => permutation(perm, X.length).map((axis, i) => tie(Y[i]!, X[axis]!, 'axis moved')),
  cost: noMacs,
  quant: 'passes',
  samples: [{ X: [2, 3] }, { X: [2, 3, 4], attrs: { perm: [2, 0, 1] } }],
});

const permutation = (perm: readonly number[] | undefined, rank: number): readonly number[] =>
  perm ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);

/** Axes given as an attribute up to opset 12. */
const axesAttribute = {
  until: 12,
  modern: (node: import('./op.ts').HistoricNode, make: import('./op.ts').ModernMaker) => {
    const { axes, ...attrs } = node.attrs;
    return axes?.kind === 'ints'
      ? { ...node, attrs, inputs: [node.inputs[0]!, make.constant('axes', intVector(...axes.value))] }
      : { ...node, attrs };
  },
};

const carried = (X: readonly Axis[], Y: readonly Axis[]): Link[] => {
  const wide = Y.filter(({ size }) => size !== 1);
  return [
    ...X.filter(({ size }) => size !== 1).map((axis, i) => tie(wide[i]!, axis)),
    ...[...X, ...Y].filter(({ size }) => size === 1).map(free),
  ];
};

export const Squeeze = op({
  type: 'Squeeze',
  inputs: ['X', 'axes?'],
  attrs: {},
  shape: ({ X, axes }) => {
    const list = axes ? known(axes) : X.dims.flatMap((dim, i) => (dim === 1 ? [i] : []));
    if (!list) return null;
    const gone = list.map((axis) => fromFront(axis, X.dims.length));
    return { dims: X.dims.filter((_, i) => !gone.includes(i)), dtype: X.dtype, ints: X.ints };
  },
  grad: ({ X, dY }, _, g) => ({ X: g.reshape(dY, X.dims) }),
  couple: ({ X, Y }) => carried(X, Y),
  cost: noMacs,
  quant: 'passes',
  samples: [{ X: [2, 1, 3], axes: intVector(1) }, { X: [1, 2, 1] }],
  history: [axesAttribute],
});

export const Unsqueeze = op({
  type: 'Unsqueeze',
  inputs: ['X', 'axes'],
  attrs: {},
  shape: ({ X, axes }) => {
    const list = known(axes);
    if (!list) return null;
    const rank = X.dims.length + list.length;
    const fresh = list.map((axis) => fromFront(axis, rank));
    let at = 0;
    return {
      dims: Array.from({ length: rank }, (_, i) => (fresh.includes(i) ? 1 : X.dims[at++]!)),
      dtype: X.dtype,
      ints: X.ints,
    };
  },
  grad: ({ X, dY }, _, g) => ({ X: g.reshape(dY, X.dims) }),
  couple: ({ X, Y }) => carried(X, Y),
  cost: noMacs,
  quant: 'passes',
  samples: [
    { X: [2, 3], axes: intVector(0, 3) },
    { X: [2], axes: intVector(-1) },
  ],
  history: [axesAttribute],
});

export const Concat = op({
  type: 'Concat',
  inputs: ['...X'],
  attrs: { axis: int(1) },
  shape: ({ X }, { axis }) => {
    const rank = X[0]!.dims.length;
    const at = fromFront(axis, rank);
    if (X.some((x) => x.dims.length !== rank))
      throw misfit('Concat', 'the inputs differ in rank', Object.fromEntries(X.map((x, i) => [`X${i}`, x])));
    const dims = X[0]!.dims.map((dim, i) =>
      i === at
        ? X.map((x): Dim => x.dims[i]!).reduce((a, b) => plus(a, b))
        : (X.map((x) => x.dims[i]!).find((d) => typeof d === 'number') ?? dim),
    );
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
});

export const Split = op({
  type: 'Split',
  inputs: ['X', 'split?'],
  outputs: ['...Y'],
  attrs: { axis: int(0), num_outputs: int() },
  shape: ({ X, split }, { axis, num_outputs }, outputs) => {
    const at = fromFront(axis, X.dims.length);
    const sizes = split ? split.ints : evenSplit(X.dims[at]!, num_outputs ?? outputs);
    return sizes
      ? sizes.map((size) => ({ dims: X.dims.map((dim, i) => (i === at ? size : dim)), dtype: X.dtype }))
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
    const parts = Y.map(
      (y, i) =>
        dY[i] ??
        g.constant(
          { dtype: 'float32', dims: y.dims, bytes: new Uint8Array(4 * y.dims.reduce((n, d) => n * d, 1)) },
          'split_zeros',
        ),
    );
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
    return [
      ...links,
      adjust((kept) => ({
        ints: { split: Y.map((y) => kept(y[at]!).length) },
        ...(values.split ? {} : { attrs: {} }),
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
    {
      until: 12,
      modern: (node, make) => {
        const { split, ...attrs } = node.attrs;
        return split?.kind === 'ints'
          ? { ...node, attrs, inputs: [node.inputs[0]!, make.constant('split', intVector(...split.value))] }
          : { ...node, attrs: { ...attrs, num_outputs: { kind: 'int', value: node.outputs.length } } };
      },
    },
    {
      until: 17,
      modern: (node) =>
        node.inputs.length > 1
          ? node
          : { ...node, attrs: { ...node.attrs, num_outputs: { kind: 'int', value: node.outputs.length } } },
    },
  ],
});

const evenSplit = (size: Dim, parts: number): readonly Dim[] => {
  if (typeof size !== 'number') return new Array<Dim>(parts).fill(over(size, parts));
  const each = Math.ceil(size / parts);
  return Array.from({ length: parts }, (_, i) => Math.min(each, size - i * each));
};

/** Start, end and step of each axis, clamped as ONNX says; undefined when they are not known. */
function sliceOf(dims: readonly Dim[], starts: Value, ends: Value, axes: Value | undefined, steps: Value | undefined) {
  const [from, to] = [starts.ints, ends.ints];
  const along = axes ? known(axes) : from?.map((_, i) => i);
  const by = steps ? known(steps) : along?.map(() => 1);
  if (!from || !to || !along || !by) return undefined;
  return along.map((axis, i) => {
    const at = fromFront(axis, dims.length);
    const size = dims[at]!;
    const step = by[i]!;
    const [start, end] = [from[i]!, to[i]!];
    if (typeof size !== 'number' || typeof start !== 'number' || typeof end !== 'number') {
      return { axis: at, start, end, step, size: sliceSize(size, start, end, step) };
    }
    const wrap = (x: number) => (x < 0 ? x + size : x);
    const low = step > 0 ? Math.min(Math.max(wrap(start), 0), size) : Math.min(Math.max(wrap(start), -1), size - 1);
    const high =
      step > 0 ? Math.min(Math.max(wrap(end), 0), size) : Math.min(Math.max(end < 0 ? end + size : end, -1), size - 1);
    return { axis: at, start: low, end: high, step, size: Math.max(0, Math.ceil((high - low) / step)) as Dim };
  });
}

/** The size of a slice of a symbolic axis, where it can be told. */
function sliceSize(size: Dim, start: Dim, end: Dim, step: number): Dim {
  if (step !== 1)
    return start === 0 && typeof end === 'number' && end > 2 ** 31 && step > 0
      ? over(plus(size, step - 1), step)
      : null;
  const isEnd = (typeof end === 'number' && end > 2 ** 31 - 2) || end === size;
  const stop = isEnd ? size : typeof end === 'number' && end < 0 ? plus(size, end) : end;
  if (typeof start === 'number' && start < 0) return isEnd ? -start : null;
  return isEnd || typeof end === 'string' || (typeof end === 'number' && end < 0) ? minus(stop, start) : null;
}

export const Slice = op({
  type: 'Slice',
  inputs: ['X', 'starts', 'ends', 'axes?', 'steps?'],
  attrs: {},
  shape: ({ X, starts, ends, axes, steps }) => {
    const cuts = sliceOf(X.dims, starts, ends, axes, steps);
    const along = axes
      ? known(axes)?.map((axis) => fromFront(axis, X.dims.length))
      : X.dims.map((_, i) => i).slice(0, starts.dims[0] as number);
    if (!cuts)
      return along
        ? { dims: X.dims.map((dim, i) => (along.includes(i) ? null : dim)), dtype: X.dtype }
        : X.dims.map(() => null);
    const dims = X.dims.map((dim, i) => {
      const cut = cuts.find(({ axis }) => axis === i);
      return cut ? cut.size : dim;
    });
    const cut = cuts[0];
    const isVector =
      X.ints && X.dims.length === 1 && cut && typeof cut.start === 'number' && typeof cut.size === 'number';
    return {
      dims,
      dtype: X.dtype,
      ints: isVector
        ? Array.from({ length: cut.size as number }, (_, i) => X.ints![(cut.start as number) + i * cut.step]!)
        : undefined,
    };
  },
  grad: ({ X, starts, ends, axes, steps, dY }, _, g) => {
    const cuts = sliceOf(X.dims, starts, ends, axes, steps) as {
      axis: number;
      start: number;
      step: number;
      size: number;
    }[];
    if (cuts.every(({ step }) => step === 1)) {
      const begin = X.dims.map((__, i) => cuts.find(({ axis }) => axis === i)?.start ?? 0);
      const end = X.dims.map((dim, i) => dim - begin[i]! - dY.dims[i]!);
      return { X: [...begin, ...end].every((pad) => pad === 0) ? dY : g.Pad(dY, [...begin, ...end]) };
    }
    // With other steps, one axis at a time is scattered back to the places that were read.
    let slope: StaticValue = dY;
    for (const { axis, start, step, size } of cuts) {
      const dims = slope.dims.map((dim, i) => (i === axis ? X.dims[axis]! : dim));
      const flat = dims.reduce((n, dim) => n * dim, 1);
      const zeros = g.constant({ dtype: 'float32', dims, bytes: new Uint8Array(4 * flat) }, 'slice_zeros');
      const view = slope.dims.map((_, i) => (i === axis ? size : 1));
      const places = g.constant(
        int64(
          view,
          Array.from({ length: size }, (__, i) => start + i * step),
        ),
        'slice_places',
      );
      slope = g.ScatterElements(zeros, g.Expand(places, [...slope.dims]), slope, { axis });
    }
    return { X: slope };
  },
  couple: ({ X, Y }, _, { X: x, starts, ends, axes, steps }) => {
    const cuts = sliceOf(x.dims, starts, ends, axes, steps);
    if (!cuts) return [];
    const movable = cuts.filter(
      ({ step, start, axis }) => step === 1 && typeof start === 'number' && isStatic([x.dims[axis]!]),
    );
    const links = X.flatMap((axis, i) => {
      const cut = cuts.find((c) => c.axis === i);
      if (!cut) return [tie(Y[i]!, axis)];
      return movable.includes(cut) ? [tieRange(Y[i]!, 0, axis, cut.start as number, Y[i]!.size, 'sliced out')] : [];
    });
    const isWhole = movable.length === cuts.length;
    if (!isWhole) return links;
    return [
      ...links,
      adjust((kept) => {
        const from = cuts.map(({ axis, start }) => kept(X[axis]!).filter((i) => i < (start as number)).length);
        return {
          ints: {
            starts: from,
            ends: cuts.map(({ axis }, i) => from[i]! + kept(Y[axis]!).length),
            axes: cuts.map(({ axis }) => axis),
            steps: cuts.map(() => 1),
          },
        };
      }),
    ];
  },
  cost: noMacs,
  quant: 'passes',
  samples: [
    { X: [4, 5], starts: intVector(1), ends: intVector(3) },
    { X: [2, 6, 5], starts: intVector(1, -4), ends: intVector(1000, -1), axes: intVector(1, 2) },
    { X: [2, 7], starts: intVector(1), ends: intVector(7), axes: intVector(1), steps: intVector(2) },
    { X: [2, 5], starts: intVector(-1), ends: intVector(-1000), axes: intVector(1), steps: intVector(-1) },
  ],
  history: [
    {
      until: 9,
      modern: (node, make) => {
        const { starts, ends, axes, ...attrs } = node.attrs;
        const vector = (attr: typeof starts, name: string) =>
          attr?.kind === 'ints' ? make.constant(name, intVector(...attr.value)) : '';
        const inputs = [node.inputs[0]!, vector(starts, 'starts'), vector(ends, 'ends')];
        return { ...node, attrs, inputs: axes ? [...inputs, vector(axes, 'axes')] : inputs };
      },
    },
  ],
});

export const Gather = op({
  type: 'Gather',
  inputs: ['X', 'indices'],
  attrs: { axis: int(0) },
  shape: ({ X, indices }, { axis }) => {
    const at = fromFront(axis, X.dims.length);
    const dims = [...X.dims.slice(0, at), ...indices.dims, ...X.dims.slice(at + 1)];
    const picked = known(indices);
    const isVector = X.ints && X.dims.length === 1 && picked;
    return {
      dims,
      dtype: X.dtype,
      ints: isVector ? picked.map((i) => X.ints![fromFront(i, X.ints!.length)] ?? null) : undefined,
    };
  },
  // ScatterElements adds exactly; ScatterND races on repeated indices.
  grad: ({ X, indices, dY }, { axis }, g) => {
    const at = fromFront(axis, X.dims.length);
    const count = indices.dims.reduce((n, dim) => n * dim, 1);
    const dims = [...X.dims.slice(0, at), count, ...X.dims.slice(at + 1)];
    const view = dims.map((dim, i) => (i === at ? dim : 1));
    const places = g.Expand(g.reshape(indices, view), dims);
    const zeros = g.constant(
      { dtype: 'float32', dims: X.dims, bytes: new Uint8Array(4 * X.dims.reduce((n, dim) => n * dim, 1)) },
      'gather_zeros',
    );
    return { X: g.ScatterElements(zeros, places, g.reshape(dY, dims), { axis: at, reduction: 'add' }) };
  },
  couple: ({ X, indices, Y }, { axis }) => {
    const at = fromFront(axis, X.length);
    return [
      ...X.flatMap((a, i) =>
        i === at ? [] : [tie(Y[i < at ? i : i + indices.length - 1]!, a, 'a column of the table')],
      ),
      ...indices.map((a, i) => tie(Y[at + i]!, a)),
    ];
  },
  cost: noMacs,
  quant: 'passes',
  samples: [
    { X: [5, 3], indices: exactly('int64', [2, 2], [0, 4, 4, 1]) },
    { X: [2, 5], indices: exactly('int64', [3], [0, -1, 2]), attrs: { axis: 1 } },
    { X: [3, 2], indices: exactly('int64', [], [1]) },
  ],
});

export const ScatterElements = op({
  type: 'ScatterElements',
  inputs: ['X', 'indices', 'updates'],
  attrs: { axis: int(0), reduction: text('none') },
  shape: ({ X }) => X.dims,
  grad: ({ indices, dY }, { axis, reduction }, g) => {
    const updates = g.GatherElements(dY, indices, { axis });
    if (reduction === 'add') return { X: dY, updates };
    const hole = g.constant(
      { dtype: 'float32', dims: indices.dims, bytes: new Uint8Array(4 * indices.dims.reduce((n, d) => n * d, 1)) },
      'scatter_zeros',
    );
    return { X: g.ScatterElements(dY, indices, hole, { axis }), updates };
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [3, 3], indices: exactly('int64', [2, 3], [0, 1, 2, 2, 0, 1]), updates: [2, 3], attrs: { axis: 0 } },
    {
      X: [2, 5],
      indices: exactly('int64', [2, 2], [0, 0, 3, 1]),
      updates: [2, 2],
      attrs: { axis: 1, reduction: 'add' },
    },
  ],
});

export const GatherElements = op({
  type: 'GatherElements',
  inputs: ['X', 'indices'],
  attrs: { axis: int(0) },
  shape: ({ X, indices }) => ({ dims: indices.dims, dtype: X.dtype }),
  grad: ({ X, indices, dY }, { axis }, g) => {
    const zeros = g.constant(
      { dtype: 'float32', dims: X.dims, bytes: new Uint8Array(4 * X.dims.reduce((n, dim) => n * dim, 1)) },
      'gather_zeros',
    );
    return { X: g.ScatterElements(zeros, indices, dY, { axis, reduction: 'add' }) };
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [3, 3], indices: exactly('int64', [2, 3], [0, 1, 2, 2, 0, 1]) }],
});

/** Begin and end pads of every axis. */
function padsOf(
  rank: number,
  pads: readonly number[],
  axes: readonly number[] | undefined,
): { begin: number[]; end: number[] } {
  const along = axes ?? Array.from({ length: rank }, (_, i) => i);
  const begin = new Array<number>(rank).fill(0);
  const end = new Array<number>(rank).fill(0);
  along.forEach((axis, i) => {
    begin[fromFront(axis, rank)] = pads[i] ?? 0;
    end[fromFront(axis, rank)] = pads[along.length + i] ?? 0;
  });
  return { begin, end };
}

export const Pad = op({
  type: 'Pad',
  inputs: ['X', 'pads', 'value?', 'axes?'],
  attrs: { mode: text('constant') },
  shape: ({ X, pads, axes }) => {
    const list = known(pads);
    if (!list || (axes && !known(axes))) return X.dims.map(() => null);
    const { begin, end } = padsOf(X.dims.length, list, axes && known(axes));
    return X.dims.map((dim, i) => plus(dim, begin[i]! + end[i]!));
  },
  grad: ({ X, pads, axes, dY }, { mode }, g) => {
    const { begin, end } = padsOf(X.dims.length, known(pads)!, axes && known(axes));
    const crop = (x: StaticValue): StaticValue => {
      const cut = X.dims.flatMap((_, i) => (begin[i]! > 0 || end[i]! > 0 ? [i] : []));
      return cut.length === 0
        ? x
        : g.Slice(
            x,
            cut.map((i) => begin[i]!),
            cut.map((i) => begin[i]! + X.dims[i]!),
            cut,
          );
    };
    if (mode === 'constant' && [...begin, ...end].every((pad) => pad >= 0)) return { X: crop(dY) };
    if (mode === 'constant')
      return {
        X: g.Pad(
          dY,
          [...begin, ...end].map((pad) => -pad),
        ),
      };
    // Borrowed elements hand their slope back to where they were borrowed from: pad the places, then scatter.
    const size = X.dims.reduce((n, dim) => n * dim, 1);
    const places = g.Pad(
      g.constant(
        int64(
          X.dims,
          Array.from({ length: size }, (_, i) => i),
        ),
        'pad_places',
      ),
      [...begin, ...end],
      null,
      null,
      { mode },
    );
    const count = dY.dims.reduce((n, dim) => n * dim, 1);
    const zeros = g.constant({ dtype: 'float32', dims: [size], bytes: new Uint8Array(4 * size) }, 'pad_zeros');
    return {
      X: g.reshape(
        g.ScatterElements(zeros, g.reshape(places, [count]), g.reshape(dY, [count]), { axis: 0, reduction: 'add' }),
        X.dims,
      ),
    };
  },
  couple: ({ X, Y }, { mode }, { X: x, pads, axes }) => {
    const list = known(pads);
    if (!list) return [];
    const { begin, end } = padsOf(x.dims.length, list, axes && known(axes));
    const links = X.flatMap((a, i) =>
      begin[i] === 0 && end[i] === 0
        ? [tie(Y[i]!, a)]
        : mode === 'constant' && begin[i]! >= 0
          ? [tieRange(a, 0, Y[i]!, begin[i]!, a.size, 'padded')]
          : [],
    );
    return [
      ...links,
      adjust((kept) => {
        const count = (i: number, from: number, to: number) =>
          X[i] && Y[i] ? kept(Y[i]!).filter((p) => p >= from && p < to).length : 0;
        const before = begin.map((pad, i) => (pad > 0 ? count(i, 0, pad) : pad));
        const after = end.map((pad, i) => (pad > 0 ? count(i, Y[i]!.size - pad, Y[i]!.size) : pad));
        const along = axes ? known(axes)!.map((axis) => fromFront(axis, X.length)) : begin.map((_, i) => i);
        return { ints: { pads: [...along.map((i) => before[i]!), ...along.map((i) => after[i]!)] } };
      }),
    ];
  },
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [2, 3], pads: intVector(0, 1, 0, 2) },
    { X: [1, 2, 3, 3], pads: intVector(1, 0, 2, 1), axes: intVector(2, 3) },
    { X: [2, 4], pads: intVector(0, 2, 0, 1), attrs: { mode: 'reflect' } },
    { X: [2, 4], pads: intVector(1, 0, 1, 0), attrs: { mode: 'edge' } },
  ],
  history: [
    {
      until: 10,
      modern: (node, make) => {
        const { pads, paddings, value, ...attrs } = node.attrs;
        const list = pads ?? paddings;
        const inputs = [
          node.inputs[0]!,
          make.constant('pads', intVector(...(list?.kind === 'ints' ? list.value : []))),
        ];
        return {
          ...node,
          attrs,
          inputs:
            value?.kind === 'float'
              ? [...inputs, make.constant('pad_value', exactly('float32', [], [value.value]))]
              : inputs,
        };
      },
    },
  ],
});

export const Expand = op({
  type: 'Expand',
  inputs: ['X', 'shape'],
  attrs: {},
  shape: ({ X, shape }) => {
    if (!shape.ints) return null;
    const dims = broadcast(X.dims, shape.ints);
    if (!dims) throw misfit('Expand', `the input cannot be stretched to [${shape.ints.join(', ')}]`, { X });
    return {
      dims,
      dtype: X.dtype,
      ints:
        X.ints?.length === 1 && isStatic(dims) && dims.length === 1
          ? new Array<Dim>(dims[0]!).fill(X.ints[0]!)
          : undefined,
    };
  },
  grad: ({ X, dY }, _, g) => ({ X: g.sumTo(dY, X.dims) }),
  couple: ({ X, Y }, _, { shape }) => {
    const wanted = known(shape);
    return wanted
      ? [
          ...tieBroadcast(Y, X),
          adjust((kept) => ({
            ints: { shape: wanted.map((dim, i) => (dim === 1 ? 1 : kept(Y[Y.length - wanted.length + i]!).length)) },
          })),
        ]
      : [];
  },
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [3, 1], shape: intVector(2, 3, 4) },
    { X: [2, 3], shape: intVector(1) },
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
  couple: 'none',
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

export const Tile = op({
  type: 'Tile',
  inputs: ['X', 'repeats'],
  attrs: {},
  shape: ({ X, repeats }) =>
    repeats.ints ? X.dims.map((dim, i) => times(dim, repeats.ints![i]!)) : X.dims.map(() => null),
  grad: ({ X, repeats, dY }, _, g) => {
    const times = known(repeats)!;
    const split = g.reshape(
      dY,
      X.dims.flatMap((dim, i) => [times[i]!, dim]),
    );
    return {
      X: g.reshape(
        g.ReduceSum(
          split,
          X.dims.map((__, i) => 2 * i),
          { keepdims: 0 },
        ),
        X.dims,
      ),
    };
  },
  couple: ({ X, Y }, _, { repeats }) =>
    (known(repeats) ?? []).flatMap((times, i) => (times === 1 ? [tie(Y[i]!, X[i]!)] : [])),
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [2, 3], repeats: intVector(2, 3) }],
});

export const Resize = op({
  type: 'Resize',
  inputs: ['X', 'roi?', 'scales?', 'sizes?'],
  attrs: {
    mode: text('nearest'),
    coordinate_transformation_mode: text('half_pixel'),
    nearest_mode: text('round_prefer_floor'),
    cubic_coeff_a: float(-0.75),
    exclude_outside: int(0),
    extrapolation_value: float(0),
    antialias: int(0),
    axes: ints(),
    keep_aspect_ratio_policy: text('stretch'),
  },
  shape: ({ X, scales, sizes }, { axes, keep_aspect_ratio_policy }) => {
    if (keep_aspect_ratio_policy !== 'stretch') return X.dims.map(() => null);
    const along = axes?.map((axis) => fromFront(axis, X.dims.length)) ?? X.dims.map((_, i) => i);
    const factors = scales?.constant && scales.constant.dims[0] !== 0 ? numbers(scales.constant) : undefined;
    return X.dims.map((dim, i) => {
      const at = along.indexOf(i);
      if (at < 0) return dim;
      if (sizes?.ints) return sizes.ints[at]!;
      if (!factors) return null;
      const factor = factors[at]!;
      return typeof dim === 'number'
        ? Math.floor(dim * factor)
        : factor === 1
          ? dim
          : Number.isInteger(factor)
            ? times(dim, factor)
            : null;
    });
  },
  grad: 'missing',
  couple: ({ X, Y }, _, { X: x, sizes }) => {
    const links = [0, 1].flatMap((i) =>
      X[i]!.size === Y[i]!.size ? [tie(Y[i]!, X[i]!, 'each channel is resized alone')] : [],
    );
    const wanted = sizes && known(sizes);
    if (sizes && !wanted) return [];
    return wanted && wanted.length === x.dims.length
      ? [
          ...links,
          adjust((kept) => ({ ints: { sizes: wanted.map((size, i) => (i === 1 ? kept(Y[1]!).length : size)) } })),
        ]
      : links;
  },
  cost: noMacs,
  quant: 'passes',
  samples: [
    {
      X: [1, 2, 3, 3],
      sizes: intVector(1, 2, 6, 6),
      attrs: { nearest_mode: 'floor', coordinate_transformation_mode: 'asymmetric' },
    },
    { X: [1, 2, 4, 4], scales: exactly('float32', [4], [1, 1, 2, 1.5]), attrs: { mode: 'linear' } },
  ],
});
