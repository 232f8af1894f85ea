/**
 * Pad before a window becomes the window's own padding.
 *
 *   Conv          pads with 0
 *   AveragePool   pads with 0 and counts them
 *   MaxPool       pads with −∞, or with 0 where no element is negative
 */

import type { Node } from '../../graph/model.ts';
import { numbers, tensor } from '../../graph/tensor.ts';
import { intsAttr, isQuantized, knownInts, numberAttr, positiveAxes, textAttr } from '../attribute.ts';
import type { Net } from '../net.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';

const NEVER_NEGATIVE = new Set(['Relu', 'Sigmoid', 'Softmax', 'HardSigmoid', 'Abs', 'Exp']);

/** Pads of the spatial axes, begins then ends, or the reason why they cannot be a window's. */
function spatialPads(pad: Node, net: Net): number[] | string {
  const rank = net.dims(pad.inputs[0]!)?.length;
  if (rank === undefined) return `the rank of "${pad.inputs[0]}" is not known`;
  const pads = knownInts(pad.inputs[1], net);
  if (!pads) return `the pads "${pad.inputs[1]}" are not known`;
  if (pads.some((amount) => amount < 0)) return 'it cuts instead of padding';
  const listed = pad.inputs[3] ? knownInts(pad.inputs[3], net) : Array.from({ length: rank }, (_, i) => i);
  if (!listed) return `the axes "${pad.inputs[3]}" are not known`;
  const axes = positiveAxes(listed, rank);
  const all = new Array<number>(2 * rank).fill(0);
  axes.forEach((axis, i) => {
    all[axis] = pads[i]!;
    all[rank + axis] = pads[axes.length + i]!;
  });
  if ([0, 1, rank, rank + 1].some((i) => all[i] !== 0)) return 'it pads samples or channels';
  return [...all.slice(2, rank), ...all.slice(rank + 2)];
}

function fits(pad: Node, target: Node, pads: readonly number[], net: Net): string | undefined {
  const [x = '', , fill = ''] = pad.inputs;
  const filled = fill ? net.constant(fill) : undefined;
  if (fill && !filled) return `"${fill}" is not a constant`;
  const value = filled ? numbers(filled)[0]! : 0;
  const own = intsAttr(target, 'pads') ?? [];
  if (target.op === 'Conv') return value === 0 ? undefined : `it pads with ${value}`;
  if (numberAttr(target, 'ceil_mode', 0) === 1) return 'the pool rounds its size up';
  if (target.op === 'AveragePool') {
    if (value !== 0) return `it pads with ${value}`;
    const counts = numberAttr(target, 'count_include_pad', 0) === 1 || own.every((amount) => amount === 0);
    return counts ? undefined : 'the pool has padding that it does not count';
  }
  const kernel = intsAttr(target, 'kernel_shape') ?? [];
  const rank = kernel.length;
  const wide = kernel.some((size, i) =>
    [pads[i]!, pads[rank + i]!].some((amount, k) => amount + (own[k * rank + i] ?? 0) >= size),
  );
  if (wide || (intsAttr(target, 'dilations') ?? []).some((dilation) => dilation !== 1)) {
    return 'a window may lie wholly in the padding';
  }
  const maker = net.maker(x);
  const isPositive = maker !== undefined && maker.domain === '' && NEVER_NEGATIVE.has(maker.op);
  if (value === Number.NEGATIVE_INFINITY || (value === 0 && isPositive)) return undefined;
  return `it pads with ${value}, which may win`;
}

export const mergePad = rule({
  name: 'merge-pad',
  about: 'Pad before Conv, AveragePool or MaxPool becomes part of its pads.',
  pattern: node(['Conv', 'AveragePool', 'MaxPool'], [node('Pad', [any('x')], { as: 'pad', once: true })], {
    as: 'target',
  }),

  check: ({ nodes: { pad, target } }, net) => {
    const mode = textAttr(pad!, 'mode', 'constant');
    if (mode !== 'constant') return `its mode is ${mode}`;
    if (textAttr(target!, 'auto_pad').startsWith('SAME')) return `${target!.op} chooses its padding itself`;
    if (target!.outputs[1]) return `${target!.op} gives places, which count the padding`;
    if (isQuantized(pad!, net)) return 'it is quantised';
    const pads = spatialPads(pad!, net);
    return typeof pads === 'string' ? pads : fits(pad!, target!, pads, net);
  },

  rewrite: ({ nodes: { pad, target }, values: { x } }, edit) => {
    const added = spatialPads(pad!, edit) as number[];
    const own = intsAttr(target!, 'pads');
    const { auto_pad: _, ...attrs } = target!.attrs;
    const output = edit.emit(
      target!.op,
      [x!, ...target!.inputs.slice(1)],
      {
        ...attrs,
        pads: added.map((amount, i) => amount + (own?.[i] ?? 0)),
        ...(target!.op === 'AveragePool' && { count_include_pad: 1 }),
      },
      { like: target! },
    );
    return { outputs: [output], why: `with the padding of "${pad!.name}"` };
  },

  samples: [
    {
      about: 'before a padded convolution',
      leaves: 'Conv',
      build: (g) =>
        g.Conv(g.Pad(g.input('x', 'float32', [1, 2, 4, 4]), [0, 0, 1, 0, 0, 0, 0, 2]), values(g, [3, 2, 3, 3]), {
          pads: [1, 1, 1, 1],
        }),
    },
    {
      about: 'before an average pool',
      leaves: 'AveragePool',
      build: (g) =>
        g.AveragePool(g.Pad(g.input('x', 'float32', [1, 2, 4, 4]), [0, 0, 1, 1, 0, 0, 0, 0]), { kernel_shape: [2, 2] }),
    },
    {
      about: 'before a max pool, after Relu',
      leaves: 'Relu MaxPool',
      build: (g) =>
        g.MaxPool(g.Pad(g.Relu(g.input('x', 'float32', [1, 2, 4, 4])), [0, 0, 1, 1, 0, 0, 1, 1]), {
          kernel_shape: [3, 3],
          strides: [2, 2],
        }),
    },
    {
      about: 'of two axes with their numbers',
      leaves: 'Conv',
      build: (g) =>
        g.Conv(
          g.Pad(g.input('x', 'float32', [1, 2, 4, 4]), [1, 1, 1, 1], g.constant(tensor('float32', [], [0])), [-2, -1]),
          values(g, [3, 2, 3, 3]),
        ),
    },
    {
      about: 'before a max pool of what may be negative',
      build: (g) =>
        g.MaxPool(g.Pad(g.input('x', 'float32', [1, 2, 4, 4]), [0, 0, 1, 1, 0, 0, 1, 1]), { kernel_shape: [3, 3] }),
      fires: false,
    },
    {
      about: 'that reflects',
      build: (g) =>
        g.Conv(
          g.Pad(g.input('x', 'float32', [1, 2, 4, 4]), [0, 0, 1, 1, 0, 0, 1, 1], { mode: 'reflect' }),
          values(g, [3, 2, 3, 3]),
        ),
      fires: false,
    },
  ],
});
