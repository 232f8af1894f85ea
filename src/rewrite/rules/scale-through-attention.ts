/**
 * A positive factor for each channel of what attention's heads give, put together, moves in front of the values: attention mixes places, no channels.
 *
 *   c · join(P · split(v)) = join(P · split(c · v))          split: [N, T, H · D] to [N, H, T, D], join: back
 */

import { sizeOf } from '../../graph/tensor.ts';
import { isCalculable } from '../arithmetic.ts';
import { intsAttr } from '../attribute.ts';
import type { Net } from '../net.ts';
import { any, constant, type Match, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { positives, values } from '../sample.ts';
import { isPositive, leads } from './scale-ahead.ts';

const once = (as: string) => ({ as, once: true }) as const;
const split = node('Transpose', [node('Reshape', [any('v'), any('apart')], once('splits'))], once('turnsIn'));
const heads = node('MatMul', [any('p'), split], once('product'));
const joined = node('Reshape', [node('Transpose', [heads], once('turnsOut')), any('together')], once('joins'));

const swapsMiddle = (match: Match, name: string): boolean => intsAttr(match.nodes[name]!, 'perm')?.join() === '0,2,1,3';

/** Whether channel h · D + d is the d-th of head h on both ways. */
function isSplitAlike(match: Match, net: Net): boolean {
  const { splits, joins } = match.nodes;
  const [apart, whole, values] = [splits!.outputs[0]!, joins!.outputs[0]!, match.values['v']!].map((name) =>
    net.dims(name),
  );
  const width = values?.at(-1);
  if (apart?.length !== 4 || whole?.length !== 3 || values?.length !== 3 || typeof width !== 'number') return false;
  const [H, D] = apart.slice(2);
  return typeof H === 'number' && typeof D === 'number' && H * D === width && whole.at(-1) === width;
}

export const scaleThroughAttention = rule({
  name: 'scale-through-attention',
  about:
    'A positive constant factor behind the heads of attention moves in front of their values, where a layer takes it in.',
  pattern: node('Mul', [joined, constant('c')], { as: 'scale', commutes: true }),

  check: (match, net) => {
    const C = net.constant(match.values['c']!)!;
    if (!isCalculable(C) || !isPositive(C)) return 'the factor is not positive';
    if (!swapsMiddle(match, 'turnsIn') || !swapsMiddle(match, 'turnsOut')) return 'its heads lie otherwise';
    if (!isSplitAlike(match, net)) return 'its channels are not split and joined alike';
    if (C.dims.length !== 1 || sizeOf(C.dims) !== net.dims(match.values['v']!)!.at(-1))
      return 'the factor varies otherwise';
    return leads(match.values['v']!, net) ? undefined : 'no layer makes the values';
  },

  rewrite: ({ nodes, values: { v, p, c, apart, together } }, edit) => {
    const { splits, turnsIn, product, turnsOut, joins, scale } = nodes;
    const scaled = edit.emit('Mul', [v!, c!], {}, { like: scale! });
    const own = edit.emit('Reshape', [scaled, apart!], splits!.attrs, { like: splits! });
    const turned = edit.emit('Transpose', [own], turnsIn!.attrs, { like: turnsIn! });
    const mixed = edit.emit('MatMul', [p!, turned], {}, { like: product! });
    const back = edit.emit('Transpose', [mixed], turnsOut!.attrs, { like: turnsOut! });
    return {
      outputs: [edit.emit('Reshape', [back, together!], joins!.attrs, { like: joins! })],
      why: 'in front of the values',
    };
  },

  samples: [
    {
      about: 'two heads of three channels',
      leaves: 'MatMul Softmax Mul Reshape Transpose MatMul Transpose Reshape',
      build: (g) => {
        const v = g.MatMul(g.input('x', 'float32', [2, 4, 5]), values(g, [5, 6]));
        const apart = g.Transpose(g.Reshape(v, [2, 4, 2, 3]), { perm: [0, 2, 1, 3] });
        const mixed = g.MatMul(g.Softmax(g.input('s', 'float32', [2, 2, 4, 4])), apart);
        const joined = g.Reshape(g.Transpose(mixed, { perm: [0, 2, 1, 3] }), [2, 4, 6]);
        return g.Mul(joined, positives(g, [6]));
      },
    },
    {
      about: 'heads that are joined otherwise',
      build: (g) => {
        const v = g.MatMul(g.input('x', 'float32', [2, 4, 5]), values(g, [5, 6]));
        const apart = g.Transpose(g.Reshape(v, [2, 4, 2, 3]), { perm: [0, 2, 1, 3] });
        const mixed = g.MatMul(g.Softmax(g.input('s', 'float32', [2, 2, 4, 4])), apart);
        const joined = g.Reshape(g.Transpose(mixed, { perm: [0, 2, 3, 1] }), [2, 4, 6]);
        return g.Mul(joined, positives(g, [6]));
      },
      fires: false,
    },
  ],
});
