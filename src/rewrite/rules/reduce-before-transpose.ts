/**
 * A reduction sees the same numbers in whatever order the axes stand, so it need not wait for a Transpose.
 *
 *   Reduce(Transpose(x, p), axes a)  →  Reduce(x, axes p[a])          and a Transpose of what is left, where its axes stay turned
 *
 * Networks with channels last end so: their global pooling becomes one over the last axes.
 */

import { int64 } from '../../graph/tensor.ts';
import { axesInput, intsAttr, numberAttr, positiveAxes } from '../attribute.ts';
import type { Net } from '../net.ts';
import { any, type Match, node } from '../pattern.ts';
import { rule } from '../rule.ts';

const REDUCTIONS = ['ReduceMean', 'ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceL1', 'ReduceL2', 'ReduceSumSquare'];

/** The axes of x that are reduced, and how those of the result lie turned. */
function turned({ nodes: { turn, reduce } }: Match, net: Net): { axes: number[]; perm: number[] } | string {
  const perm = intsAttr(turn!, 'perm');
  if (!perm) return 'a Transpose without perm, which depends on the rank';
  const asked = axesInput(reduce!, net);
  if (!asked?.length) return 'its axes are not known';
  const axes = positiveAxes(asked, perm.length).map((axis) => perm[axis]!);
  if (numberAttr(reduce!, 'keepdims', 1) === 1) return { axes, perm: [...perm] };
  const left = perm.filter((axis) => !axes.includes(axis));
  const order = left.toSorted((a, b) => a - b);
  return { axes, perm: left.map((axis) => order.indexOf(axis)) };
}

export const reduceBeforeTranspose = rule({
  name: 'reduce-before-transpose',
  about: 'A reduction of what a Transpose made reads what the Transpose reads.',
  pattern: node(REDUCTIONS, [node('Transpose', [any('x')], { as: 'turn', once: true })], { as: 'reduce' }),

  check: (match, net) => {
    const found = turned(match, net);
    return typeof found === 'string' ? found : undefined;
  },

  rewrite: (match, edit) => {
    const { reduce } = match.nodes;
    const { axes, perm } = turned(match, edit) as { axes: number[]; perm: number[] };
    const sorted = int64(
      [axes.length],
      axes.toSorted((a, b) => a - b),
    );
    const inputs = [match.values['x']!, edit.weight(`${reduce!.name || reduce!.op}_axes`, sorted)];
    const reduced = edit.emit(reduce!.op, inputs, reduce!.attrs, { like: reduce! });
    const isStraight = perm.every((axis, i) => axis === i);
    const output = isStraight ? reduced : edit.emit('Transpose', [reduced], { perm });
    return { outputs: [output], why: `over axes ${axes.join(', ')} of what was turned` };
  },

  samples: [
    {
      about: 'a global average with channels last',
      leaves: 'Neg ReduceMean',
      build: (g) =>
        g.ReduceMean(g.Transpose(g.Neg(g.input('x', 'float32', [2, 3, 4, 5])), { perm: [0, 2, 3, 1] }), [1, 2], {
          keepdims: 0,
        }),
    },
    {
      about: 'axes kept, counted from the end',
      leaves: 'Neg ReduceMax Transpose',
      build: (g) =>
        g.ReduceMax(g.Transpose(g.Neg(g.input('x', 'float32', [2, 3, 4, 5])), { perm: [0, 2, 3, 1] }), [-3, -2]),
    },
    {
      about: 'axes left in another order',
      leaves: 'Neg ReduceSum Transpose',
      build: (g) =>
        g.ReduceSum(g.Transpose(g.Neg(g.input('x', 'float32', [2, 3, 4])), { perm: [2, 1, 0] }), [1], { keepdims: 0 }),
    },
    {
      about: 'of what others read turned',
      build: (g) => {
        const y = g.Transpose(g.input('x', 'float32', [2, 3, 4]), { perm: [2, 1, 0] });
        return g.Add(y, g.ReduceSum(y, [1]));
      },
      fires: false,
    },
  ],
});
