/**
 * A product of one-hot rows with a matrix takes rows of the matrix: Gather does that without the multiplications.
 *
 *   (ids = [0 … N − 1]) · W = rows of W          an id outside of 0 … N − 1 makes a row of zeros, which the table gets behind its last
 */

import { isStatic } from '../../graph/dim.ts';
import { DTYPES } from '../../graph/dtype.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { int64, numbers, sizeOf, tensor } from '../../graph/tensor.ts';
import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import { doubles, isCalculable, rounded } from '../arithmetic.ts';
import { numberAttr } from '../attribute.ts';
import { any, constant, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';

/** 0, 1, 2, … along the last axis. */
const counts = (t: Tensor): boolean =>
  t.dtype !== 'string' && t.dims.at(-1) === sizeOf(t.dims) && numbers(t).every((value, i) => value === i);

/** With a row of zeros behind the last. */
function withZeros(W: Tensor): Tensor {
  const [rows, width] = W.dims as [number, number];
  const all = new Float64Array((rows + 1) * width);
  all.set(doubles(W));
  return rounded(W.dtype, [rows + 1, width], all);
}

export const oneHotToGather = rule({
  name: 'one-hot-to-gather',
  about: 'One-hot rows times a matrix become Gather.',
  pattern: node('MatMul', [
    node('Cast', [node('Equal', [any('ids'), constant('range', counts)], { commutes: true })], { as: 'cast' }),
    constant('table'),
  ]),

  check: ({ nodes: { cast }, values: { ids, range, table } }, net) => {
    const fact = net.fact(ids!);
    const W = net.constant(table!)!;
    if (!fact || !['int32', 'int64'].includes(fact.dtype)) return `"${ids}" are no integers to look up`;
    if (fact.dims.at(-1) !== 1 || fact.dims.length < 2) return `"${ids}" has more than one id in a row`;
    if (net.constant(range!)!.dims.length > fact.dims.length) return `"${range}" has more axes than the ids`;
    if (W.dims.length !== 2 || !isCalculable(W) || !isStatic(W.dims)) return `"${table}" is no matrix of floats`;
    return DTYPES[W.dtype].code === numberAttr(cast!, 'to', 0) ? undefined : 'the one-hot rows are no floats';
  },

  rewrite: ({ values: { ids, table } }, edit) => {
    const W = edit.constant(table!)!;
    const [rows] = W.dims as [number];
    const { dtype } = edit.fact(ids!)!;
    const bound = (value: number): string => edit.weight(`${ids}_bound`, tensor(dtype, [], [value]));
    const flat = edit.emit('Squeeze', [ids!, edit.weight(`${ids}_axis`, int64([1], [-1]))]);
    // -1 counts from the end, where the zeros are, as does the id behind the last
    const inside = edit.emit('Clip', [flat, bound(-1), bound(rows)]);
    const to = edit.weight(`${table}_rows`, withZeros(W));
    return { outputs: [edit.emit('Gather', [to, inside], { axis: 0 })], why: `rows of "${table}"` };
  },

  samples: [
    {
      about: 'ids of which some are outside',
      leaves: 'Mul Cast Squeeze Clip Gather',
      build: (g) => oneHot(g, g.Cast(g.Mul(g.input('x', 'float32', [2, 3, 1]), 3), { to: 6 })),
    },
    {
      about: 'comparison with other numbers',
      build: (g) => {
        const ids = g.Cast(g.input('x', 'float32', [2, 3, 1]), { to: 6 });
        const range = g.constant(tensor('int32', [1, 1, 3], [2, 1, 0]));
        return g.MatMul(g.Cast(g.Equal(ids, range), { to: 1 }), values(g, [3, 4]));
      },
      fires: false,
    },
  ],
});

function oneHot(g: Builder, ids: StaticValue): StaticValue {
  const range = g.constant(tensor('int32', [1, 1, 5], [0, 1, 2, 3, 4]));
  return g.MatMul(g.Cast(g.Equal(ids, range), { to: 1 }), values(g, [5, 4]));
}
