/** Transpose after Transpose is one: axis k of the result is axis p[q[k]] of the input. */

import type { Node } from '../../graph/model.ts';
import { intsAttr } from '../attribute.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';

const permOf = (node: Node): readonly number[] | undefined => intsAttr(node, 'perm');

export const mergeTransposes = rule({
  name: 'merge-transposes',
  about: 'Two Transposes in a row become one, or none.',
  pattern: node('Transpose', [node('Transpose', [any('x')], { as: 'first' })], { as: 'second' }),

  check: ({ nodes: { first, second } }) =>
    permOf(first!) && permOf(second!) ? undefined : 'a Transpose without perm, which depends on the rank',

  rewrite: ({ nodes: { first, second }, values: { x } }, edit) => {
    const perm = permOf(second!)!.map((axis) => permOf(first!)![axis]!);
    const isWhole = perm.every((axis, i) => axis === i);
    const output = isWhole ? x : edit.emit('Transpose', [x!], { perm }, { like: second! });
    return { outputs: [output], why: isWhole ? 'undoes the one before it' : 'together with the one before it' };
  },

  samples: [
    {
      about: 'there and back',
      leaves: 'Neg Neg',
      build: (g) => {
        const x = g.Neg(g.input('x', 'float32', [2, 3, 4]));
        return g.Neg(g.Transpose(g.Transpose(x, { perm: [1, 2, 0] }), { perm: [2, 0, 1] }));
      },
    },
    {
      about: 'twice further',
      leaves: 'Transpose',
      build: (g) =>
        g.Transpose(g.Transpose(g.input('x', 'float32', [2, 3, 4]), { perm: [1, 2, 0] }), { perm: [1, 2, 0] }),
    },
  ],
});
