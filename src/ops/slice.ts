/** Slice: a strided range of each axis. */

import { isStatic, minus, over, plus } from '../graph/dim.ts';
import type { Dim } from '../graph/model.ts';
import { fromFront, knownInts, noMacs, placesAlong, rearranged, zerosOf } from './answer.ts';
import { wereAttributes } from './history.ts';
import { adjust, tie, tieRange } from './link.ts';
import { op, type StaticValue, type Value } from './op.ts';
import { intVector } from './sample.ts';

/** Start, end and step of each axis, clamped as ONNX says; undefined when they are not known. */
function sliceOf(dims: readonly Dim[], starts: Value, ends: Value, axes: Value | undefined, steps: Value | undefined) {
  const [from, to] = [starts.ints, ends.ints];
  const along = axes ? knownInts(axes) : from?.map((_, i) => i);
  const by = steps ? knownInts(steps) : along?.map(() => 1);
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

/** Exporters write "to the end" as 1e9, 2^31 − 1 or 2^63 − 1. */
const BEYOND = 1e9;

/** The size of a slice of a symbolic axis, where it can be told. */
function sliceSize(size: Dim, start: Dim, end: Dim, step: number): Dim {
  const isEnd = (typeof end === 'number' && end >= BEYOND) || end === size;
  if (step !== 1) return start === 0 && isEnd && step > 0 ? over(plus(size, step - 1), step) : null;
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
      ? knownInts(axes)?.map((axis) => fromFront(axis, X.dims.length))
      : X.dims.map((_, i) => i).slice(0, starts.dims[0] as number);
    if (!cuts)
      return along
        ? { dims: X.dims.map((dim, i) => (along.includes(i) ? null : dim)), dtype: X.dtype }
        : X.dims.map(() => null);
    const dims = X.dims.map((dim, i) => {
      const cut = cuts.find(({ axis }) => axis === i);
      return cut ? cut.size : dim;
    });
    const isKnown = cuts.every(({ start, size }) => typeof start === 'number' && typeof size === 'number');
    const from = (axis: number) => cuts.find((cut) => cut.axis === axis);
    const ints =
      isKnown &&
      rearranged(X, dims, (place) =>
        place.map((i, axis) => ((from(axis)?.start as number | undefined) ?? 0) + i * (from(axis)?.step ?? 1)),
      );
    return { dims, dtype: X.dtype, ints: ints || undefined };
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
      const view = slope.dims.map((_, i) => (i === axis ? size : 1));
      const places = placesAlong(
        view,
        Array.from({ length: size }, (__, i) => start + i * step),
        g,
      );
      slope = g.ScatterElements(zerosOf(dims, g), g.Expand(places, [...slope.dims]), slope, { axis });
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
    wereAttributes(
      9,
      { name: 'starts', at: 1, kind: 'ints' },
      { name: 'ends', at: 2, kind: 'ints' },
      { name: 'axes', at: 3, kind: 'ints' },
    ),
    {
      until: 9,
      old: (node, make) => {
        const steps = node.inputs[4];
        if (steps && !make.ints(steps)?.every((step) => step === 1)) return 'its steps are not 1';
        return { ...node, inputs: node.inputs.slice(0, 4) };
      },
    },
  ],
});
