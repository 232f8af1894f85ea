/** Pad: a border of a constant, of copies or of mirrored elements. */

import { plus } from '../graph/dim.ts';
import { int64 } from '../graph/tensor.ts';
import { count, fromFront, knownInts, noMacs, zerosOf } from './answer.ts';
import { cameLater, trimmed, wereAttributes } from './history.ts';
import { adjust, tie, tieRange } from './link.ts';
import { op, type StaticValue, text } from './op.ts';
import { intVector } from './sample.ts';

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
    const list = knownInts(pads);
    if (!list || (axes && !knownInts(axes))) return X.dims.map(() => null);
    const { begin, end } = padsOf(X.dims.length, list, axes && knownInts(axes));
    return X.dims.map((dim, i) => plus(dim, begin[i]! + end[i]!));
  },
  grad: ({ X, pads, axes, dY }, { mode }, g) => {
    const { begin, end } = padsOf(X.dims.length, knownInts(pads)!, axes && knownInts(axes));
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
    const size = count(X.dims);
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
    const borrowed = count(dY.dims);
    return {
      X: g.reshape(
        g.ScatterElements(zerosOf([size], g), g.reshape(places, [borrowed]), g.reshape(dY, [borrowed]), {
          axis: 0,
          reduction: 'add',
        }),
        X.dims,
      ),
    };
  },
  couple: ({ X, Y }, { mode }, { X: x, pads, axes }) => {
    const list = knownInts(pads);
    if (!list) return [];
    const { begin, end } = padsOf(x.dims.length, list, axes && knownInts(axes));
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
        const within = (i: number, from: number, to: number) =>
          X[i] && Y[i] ? kept(Y[i]!).filter((p) => p >= from && p < to).length : 0;
        const before = begin.map((pad, i) => (pad > 0 ? within(i, 0, pad) : pad));
        const after = end.map((pad, i) => (pad > 0 ? within(i, Y[i]!.size - pad, Y[i]!.size) : pad));
        const along = axes ? knownInts(axes)!.map((axis) => fromFront(axis, X.length)) : begin.map((_, i) => i);
        return { ints: { pads: [...along.map((i) => before[i]!), ...along.map((i) => after[i]!)] } };
      }),
    ];
  },
  cost: noMacs,
  // Zeros stand on every grid; other constants, and what is mirrored, are not worth an integer kernel.
  quant: ({ value = 0 }, { mode }) =>
    mode === 'constant' && value === 0 ? { kind: 'passes', padding: true } : { kind: 'float' },
  samples: [
    { X: [2, 3], pads: intVector(0, 1, 0, 2) },
    { X: [1, 2, 3, 3], pads: intVector(1, 0, 2, 1), axes: intVector(2, 3) },
    { X: [2, 4], pads: intVector(0, 2, 0, 1), attrs: { mode: 'reflect' } },
    { X: [2, 4], pads: intVector(1, 0, 1, 0), attrs: { mode: 'edge' } },
  ],
  history: [
    wereAttributes(10, { name: 'pads', at: 1, kind: 'ints' }, { name: 'value', at: 2, kind: 'float' }),
    {
      until: 17,
      old: (node, make) => {
        const [X, pads, value = '', axes] = node.inputs as [string, string, string?, string?];
        if (!axes) return node;
        const [list, along, rank] = [make.ints(pads), make.ints(axes), make.rank(X)];
        if (!list || !along || rank === undefined) return 'its axes are computed';
        const whole = new Array<number>(2 * rank).fill(0);
        along.forEach((axis, i) => {
          whole[fromFront(axis, rank)] = list[i]!;
          whole[fromFront(axis, rank) + rank] = list[i + along.length]!;
        });
        return { ...node, inputs: trimmed([X, make.constant('pads', intVector(...whole)), value]) };
      },
    },
    cameLater(18, 'mode', 'wrap'),
  ],
});
