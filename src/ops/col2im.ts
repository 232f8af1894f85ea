/**
 * Col2Im: columns [N, C · block, places] laid back into images, overlaps added.
 *
 * Its slope takes the columns out again: for each place in the block, a strided slice of the padded slope.
 */

import { count, knownInts, noMacs } from './answer.ts';
import { noSlope } from './misfit.ts';
import { ints, op, type StaticValue } from './op.ts';
import { intVector } from './sample.ts';

export const Col2Im = op({
  type: 'Col2Im',
  inputs: ['X', 'image_shape', 'block_shape'],
  attrs: { dilations: ints(), pads: ints(), strides: ints() },
  shape: ({ X, image_shape, block_shape }) => {
    const block = knownInts(block_shape);
    const image = image_shape.ints ?? [null, null];
    const channels = block && typeof X.dims[1] === 'number' ? X.dims[1] / count(block) : null;
    return [X.dims[0]!, channels, ...image];
  },
  grad: ({ X, image_shape, block_shape, dY }, a, g) => {
    const [image, block] = [knownInts(image_shape), knownInts(block_shape)];
    if (!image || !block) throw noSlope('Col2Im', 'an image or block that is computed');
    const rank = block.length;
    const each = (given: readonly number[] | undefined, fallback: number): readonly number[] =>
      given ?? new Array<number>(rank).fill(fallback);
    const [strides, dilations] = [each(a.strides, 1), each(a.dilations, 1)];
    const pads = a.pads ?? new Array<number>(2 * rank).fill(0);
    const padded = g.Pad(dY, [0, 0, ...pads.slice(0, rank), 0, 0, ...pads.slice(rank)]);
    const out = image.map((size, i) => {
      const reach = dilations[i]! * (block[i]! - 1) + 1;
      return Math.floor((size + pads[i]! + pads[rank + i]! - reach) / strides[i]!) + 1;
    });
    const spatial = block.map((_, i) => i + 2);
    const [batch, channels] = dY.dims as [number, number];
    const columns = places(block).map((at): StaticValue => {
      const from = at.map((k, i) => k * dilations[i]!);
      const to = from.map((start, i) => start + (out[i]! - 1) * strides[i]! + 1);
      return g.reshape(g.Slice(padded, from, to, spatial, strides), [batch, channels, 1, count(out)]);
    });
    const all = columns.length === 1 ? columns[0]! : g.Concat(...columns, { axis: 2 });
    return { X: g.reshape(all, X.dims) };
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [1, 4, 9], image_shape: intVector(4, 4), block_shape: intVector(2, 2) },
    {
      X: [2, 12, 8],
      image_shape: intVector(4, 3),
      block_shape: intVector(2, 3),
      attrs: { strides: [2, 1], pads: [0, 1, 0, 2] },
    },
  ],
});

/** All places of a block, the last axis fastest. */
const places = (block: readonly number[]): number[][] =>
  block.reduce<number[][]>(
    (found, size) => found.flatMap((place) => Array.from({ length: size }, (_, k) => [...place, k])),
    [[]],
  );
