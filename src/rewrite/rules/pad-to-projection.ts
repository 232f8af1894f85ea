/**
 * A shortcut that adds channels of zeros is a 1×1 convolution: its weight is the identity, shifted by the channels in front.
 *
 *   Pad(Slice(x, every s-th row and column), channels)  →  Conv(x, [[0], [I], [0]], strides s)
 *
 * Source   He et al. 2016, arXiv:1512.03385: the shortcuts "A" and "B" of a residual network. As "B", the channels of one stage
 *          are no longer tied to those of the stage before.
 */

import type { Node } from '../../graph/model.ts';
import { float32, numbers } from '../../graph/tensor.ts';
import { isQuantized, knownInts, positiveAxes, textAttr } from '../attribute.ts';
import type { Net } from '../net.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';

const RANK = 4;

/** Channels of zeros in front and behind, or why this is something else. */
function channelPads(pad: Node, net: Net): readonly [number, number] | string {
  const mode = textAttr(pad, 'mode', 'constant');
  if (mode !== 'constant') return `its mode is ${mode}`;
  const fill = pad.inputs[2] ? net.constant(pad.inputs[2]) : undefined;
  if (pad.inputs[2] && (!fill || numbers(fill)[0] !== 0)) return 'it does not pad with 0';
  const pads = knownInts(pad.inputs[1], net);
  const listed = pad.inputs[3] ? knownInts(pad.inputs[3], net) : Array.from({ length: RANK }, (_, i) => i);
  if (!pads || !listed) return 'its pads are not known';
  const all = new Array<number>(2 * RANK).fill(0);
  positiveAxes(listed, RANK).forEach((axis, i) => {
    all[axis] = pads[i]!;
    all[RANK + axis] = pads[listed.length + i]!;
  });
  const [before, after] = [all[1]!, all[RANK + 1]!];
  const isPlain = all.every((amount, i) => amount >= 0 && (amount === 0 || i % RANK === 1));
  return isPlain && before + after > 0 ? [before, after] : 'it pads more than channels, or cuts';
}

/** Steps down and across, or why the slice is something else. */
function spatialSteps(slice: Node | undefined, net: Net): readonly [number, number] | string {
  if (!slice) return [1, 1];
  const [, starts, ends, listed] = slice.inputs.map((name) => knownInts(name, net));
  const dims = net.dims(slice.inputs[0]!);
  const steps = slice.inputs[4] ? knownInts(slice.inputs[4], net) : starts?.map(() => 1);
  const axes = slice.inputs[3] ? listed : starts?.map((_, i) => i);
  if (!starts || !ends || !steps || !axes || !dims) return 'the slice in front is not known';
  const strides: [number, number] = [1, 1];
  for (const [i, axis] of positiveAxes(axes, RANK).entries()) {
    const size = dims[axis];
    const isToEnd = ends[i]! >= 2 ** 31 - 1 || (typeof size === 'number' && ends[i]! >= size);
    if (starts[i] !== 0 || !isToEnd || steps[i]! < 1) return 'the slice in front keeps only a part';
    if (axis >= 2) strides[axis - 2] = steps[i]!;
    else if (steps[i] !== 1) return 'the slice in front skips channels or samples';
  }
  return strides;
}

const pad = (x: Parameters<typeof node>[1]) => node('Pad', x, { as: 'pad' });

export const padToProjection = rule({
  name: 'pad-to-projection',
  about: 'Pad of channels, behind a Slice with steps or not, becomes a 1×1 Conv that can be cut and learns.',
  pattern: [pad([node('Slice', [any('x')], { as: 'slice', once: true })]), pad([any('x')])],

  where: ({ values: { x } }, net) => net.dims(x!)?.length === RANK,

  check: ({ nodes: { pad, slice }, values: { x } }, net) => {
    if (net.fact(x!)?.dtype !== 'float32') return 'its values are not float32';
    if (typeof net.dims(x!)![1] !== 'number') return 'the number of channels is not known';
    if (isQuantized(pad!, net)) return 'it is quantised';
    const pads = channelPads(pad!, net);
    if (typeof pads === 'string') return pads;
    const steps = spatialSteps(slice, net);
    return typeof steps === 'string' ? steps : undefined;
  },

  rewrite: ({ nodes: { pad, slice }, values: { x } }, edit) => {
    const [before, after] = channelPads(pad!, edit) as readonly [number, number];
    const strides = spatialSteps(slice, edit) as readonly [number, number];
    const channels = edit.dims(x!)![1] as number;
    const width = before + channels + after;
    const weight = new Float32Array(width * channels);
    for (let c = 0; c < channels; c++) weight[(before + c) * channels + c] = 1;
    const W = edit.weight(`${pad!.outputs[0]}_projection`, float32([width, channels, 1, 1], weight));
    const output = edit.emit('Conv', [x!, W], { kernel_shape: [1, 1], strides }, { like: pad! });
    return { outputs: [output], why: `${channels} channels projected to ${width}` };
  },

  samples: [
    {
      about: 'every second row and column, channels on both sides',
      leaves: 'Conv',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 3, 5, 6]);
        const skipped = g.Slice(x, [0, 0], [5, 6], [2, 3], [2, 2]);
        return g.Pad(skipped, [0, 1, 0, 0, 0, 2, 0, 0]);
      },
    },
    {
      about: 'channels behind, every place',
      leaves: 'Conv',
      build: (g) => g.Pad(g.input('x', 'float32', [1, 2, 3, 3]), [0, 0, 0, 0, 0, 2, 0, 0]),
    },
    {
      about: 'rows as well',
      fires: false,
      build: (g) => g.Pad(g.input('x', 'float32', [1, 2, 3, 3]), [0, 1, 1, 0, 0, 0, 0, 0]),
    },
    {
      about: 'a part of the rows',
      fires: false,
      build: (g) => {
        const x = g.input('x', 'float32', [1, 2, 5, 5]);
        const part = g.Slice(x, [1], [5], [2], [2]);
        return g.Pad(part, [0, 1, 0, 0, 0, 1, 0, 0]);
      },
    },
  ],
});
