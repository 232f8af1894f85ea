/**
 * Scaled dot-product attention that an exporter spread out, put together again.
 *
 *   softmax(s · Q·Kᵀ + mask) · V          Q, K, V [B, H, L, D]; the factor s may stand before or behind the product
 *
 * Not among the rules that simplify: ONNX Runtime's kernel for the whole takes longer than its kernels for the parts.
 */

import type { Node } from '../../graph/model.ts';
import { attend } from '../../ops/attend.ts';
import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import { intsAttr, numberAttr, uniform } from '../attribute.ts';
import type { Net } from '../net.ts';
import { any, constant, type Match, node, oneOf, type Pattern } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';

/** A value, or the same times a number. */
const scaled = (inner: Pattern, as: string): Pattern =>
  oneOf(
    node('Mul', [inner, constant(`${as}_factor`)], { commutes: true }),
    node('Div', [inner, constant(`${as}_divisor`)]),
    inner,
  );

// The factor of K may stand on either side of its transposition.
const keys = scaled(node('Transpose', [scaled(any('k'), 'inner')], { as: 'turned' }), 'k');
const product = scaled(node('MatMul', [scaled(any('q'), 'q'), keys], { as: 'product', once: true }), 'scores');
const scores = oneOf(node('Add', [product, any('mask')], { commutes: true, as: 'masked', once: true }), product);
const weights = node('Softmax', [scores], { as: 'weights', once: true });

/** All factors on the way from Q·Kᵀ to the softmax; undefined when one is not a single number. */
function scaleOf({ values: found }: Match, net: Net): number | undefined {
  let scale = 1;
  for (const [name, value] of Object.entries(found)) {
    if (!/_(factor|divisor)$/.test(name)) continue;
    const number = uniform(value, net);
    if (number === undefined) return undefined;
    scale *= name.endsWith('factor') ? number : 1 / number;
  }
  return scale;
}

/** How K comes: with heads before places as Q, or behind them (its transposition then did two things at once). */
const isTurned = (turned: Node): boolean => `${intsAttr(turned, 'perm')}` === '0,2,3,1';
const isPlain = (turned: Node): boolean => `${intsAttr(turned, 'perm')}` === '0,1,3,2';

/** Has every value four axes, of which the first two are the same for all? */
function fits({ nodes: { turned }, values: { q, k, mask }, root }: Match, net: Net): string | undefined {
  const v = root.inputs[1]!;
  const [Q, given, V] = [q!, k!, v].map((name) => net.dims(name));
  const K = given?.length === 4 && isTurned(turned!) ? [0, 2, 1, 3].map((axis) => given[axis]!) : given;
  const wrong = [q!, k!, v].find((_, i) => [Q, K, V][i]?.length !== 4);
  if (wrong !== undefined) return `"${wrong}" does not have the four axes batch, head, place, depth`;
  if (typeof Q![3] !== 'number') return `the depth of "${q}" is not known`;
  if ([K, V].some((dims) => dims![0] !== Q![0] || dims![1] !== Q![1])) return 'batch or heads are broadcast';
  const rank = mask === undefined ? 0 : net.dims(mask)?.length;
  if (rank === undefined || rank > 4) return `the rank of "${mask}" is not known`;
  // The kernel wants the mask's last axis in full.
  if (rank > 0 && net.dims(mask!)!.at(-1) !== K![2]) return `"${mask}" is broadcast along the keys`;
  return undefined;
}

export const attention = rule({
  name: 'attention',
  about: 'MatMul, Softmax and MatMul with the arithmetic between become Attention.',
  pattern: node('MatMul', [weights, any()]),

  where: ({ nodes: { turned, weights: softmax } }) =>
    (isPlain(turned!) || isTurned(turned!)) && [-1, 3].includes(numberAttr(softmax!, 'axis', -1)),

  check: (match, net) => {
    if (net.opset < 23) return `Attention came with opset 23, the model has ${net.opset}`;
    if (scaleOf(match, net) === undefined) return 'a factor is not one number';
    const dtype = net.fact(match.values.q!)?.dtype;
    return dtype === 'float32' || dtype === 'float16' ? fits(match, net) : `its input is ${dtype ?? 'not known'}`;
  },

  rewrite: (match, edit) => {
    const { q, k, mask } = match.values;
    const turned = isTurned(match.nodes.turned!);
    const keys = turned ? edit.emit('Transpose', [k!], { perm: { kind: 'ints', value: [0, 2, 1, 3] } }) : k!;
    const inputs = [q!, keys, match.root.inputs[1]!, ...(mask === undefined ? [] : [mask])];
    const scale = scaleOf(match, edit)!;
    return {
      outputs: [edit.emit('Attention', inputs, { scale: { kind: 'float', value: scale } })],
      why: `of "${q}" over "${k}"${mask === undefined ? '' : `, masked by "${mask}"`}`,
    };
  },

  samples: [
    {
      about: 'with the factor before the product',
      opset: 23,
      leaves: 'Attention',
      build: (g) => attend(heads(g), g).Y,
    },
    {
      about: 'with a divisor behind the product, and a mask',
      opset: 23,
      leaves: 'Attention',
      build: (g) => {
        const { q, k, v } = heads(g);
        const scores = g.Div(g.MatMul(q, g.Transpose(k, { perm: [0, 1, 3, 2] })), 2);
        return g.MatMul(g.Softmax(g.Add(scores, values(g, [1, 1, 3, 5])), { axis: -1 }), v);
      },
    },
    {
      about: 'with a root of the factor on either side, as PyTorch spreads it out',
      opset: 23,
      leaves: 'Attention',
      build: (g) => {
        const { q, k, v } = heads(g);
        const turned = g.Transpose(k, { perm: [0, 1, 3, 2] });
        return g.MatMul(g.Softmax(g.MatMul(g.Mul(q, 0.7), g.Mul(turned, 0.7)), { axis: -1 }), v);
      },
    },
    {
      about: 'with keys whose heads lie behind their places',
      opset: 23,
      leaves: 'Transpose Attention',
      build: (g) => {
        const turned = g.Transpose(g.input('places', 'float32', [2, 5, 2, 4]), { perm: [0, 2, 3, 1] });
        const { q, v } = heads(g);
        return g.MatMul(g.Softmax(g.MatMul(q, turned), { axis: -1 }), v);
      },
    },
    { about: 'before opset 23', build: (g) => attend(heads(g), g).Y, fires: false },
    {
      about: 'with weights that are an output too',
      opset: 23,
      build: (g) => {
        const { Y, stages } = attend(heads(g), g);
        return [Y, stages[3]];
      },
      fires: false,
    },
  ],
});

const heads = (g: Builder): { q: StaticValue; k: StaticValue; v: StaticValue } => ({
  q: g.input('q', 'float32', [2, 2, 3, 4]),
  k: g.input('k', 'float32', [2, 2, 5, 4]),
  v: g.input('v', 'float32', [2, 2, 5, 6]),
});
