/**
 * A positive factor for each channel behind what hands it on moves in front, towards a layer or normalisation that takes it in.
 *
 *   c · relu(x) = relu(c · x)        c · (x + b) = c · x + c · b        c · (x · y) = x · (c · y)
 */

import type { Node } from '../../graph/model.ts';
import { numbers, sizeOf, type Tensor } from '../../graph/tensor.ts';
import { AFFINE, affineOf } from '../affine.ts';
import { isCalculable } from '../arithmetic.ts';
import { combine } from '../broadcast.ts';
import type { Net } from '../net.ts';
import { any, constant, type Match, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { positives, values } from '../sample.ts';

const NORMALIZING = new Set(['LayerNormalization', 'RMSNormalization']);
/** Steps between a factor and the layer that takes it in, at most. */
const FARTHEST = 8;

/** Whether a factor in front of this value's only reader gets to something that takes it in. */
export function leads(name: string, net: Net, steps = FARTHEST): boolean {
  const maker = net.maker(name);
  if (!maker || steps === 0 || net.isOutput(name) || net.readers(name).length !== 1) return false;
  if (NORMALIZING.has(maker.op)) return net.constant(maker.inputs[1]!) !== undefined;
  if (AFFINE.includes(maker.op)) return typeof affineOf(maker, net) !== 'string';
  const at = ahead(maker, net, steps - 1);
  return at !== undefined;
}

/** The input of this node to which a factor of its result can move, or undefined. */
function ahead({ op, inputs }: Node, net: Net, steps = FARTHEST): number | undefined {
  if (op === 'Relu' || op === 'LeakyRelu') return leads(inputs[0]!, net, steps) ? 0 : undefined;
  const fixed = inputs.findIndex((name) => net.constant(name));
  if (op === 'Add') return fixed >= 0 && leads(inputs[1 - fixed]!, net, steps) ? 1 - fixed : undefined;
  if (op !== 'Mul' || inputs[0] === inputs[1]) return undefined;
  if (fixed >= 0) return leads(inputs[1 - fixed]!, net, steps) ? 1 - fixed : undefined;
  const at = inputs.findIndex((name) => leads(name, net, steps));
  return at < 0 ? undefined : at;
}

/** Are all of its numbers above 0? */
export const isPositive = (t: Tensor): boolean => numbers(t).every((value) => value > 0);

/** The factor has one number for each place of the last axis of what it moves to, or a single one. */
function suits({ nodes: { f }, values: { c } }: Match, at: number, net: Net): boolean {
  const width = net.dims(f!.inputs[at]!)?.at(-1);
  const { dims } = net.constant(c!)!;
  return sizeOf(dims) === 1 || (dims.length === 1 && dims[0] === width);
}

export const scaleAhead = rule({
  name: 'scale-ahead',
  about:
    'A positive constant factor behind Relu, a sum with a constant or a product moves in front, where a layer takes it in.',
  pattern: node('Mul', [node(['Relu', 'LeakyRelu', 'Add', 'Mul'], [any()], { as: 'f', once: true }), constant('c')], {
    as: 'scale',
    commutes: true,
  }),

  check: (match, net) => {
    const { f } = match.nodes;
    const C = net.constant(match.values['c']!)!;
    if (!isCalculable(C) || !isPositive(C)) return 'the factor is not positive';
    const at = ahead(f!, net);
    if (at === undefined) return `nothing in front of ${f!.op} takes it in`;
    return suits(match, at, net) ? undefined : 'the factor does not vary by the last axis only';
  },

  rewrite: ({ nodes: { f, scale }, values: { c } }, edit) => {
    const at = ahead(f!, edit)!;
    const inputs = [...f!.inputs];
    inputs[at] = edit.emit('Mul', [inputs[at]!, c!], {}, { like: scale! });
    const bias = f!.op === 'Add' ? inputs[1 - at]! : undefined;
    if (bias !== undefined) {
      const scaled = combine(edit.constant(bias)!, edit.constant(c!)!, (b, s) => b * s)!;
      inputs[1 - at] = edit.reweigh(bias, scaled, f!);
    }
    return { outputs: [edit.emit(f!.op, inputs, f!.attrs, { like: f! })], why: `in front of ${f!.op} "${f!.name}"` };
  },

  samples: [
    {
      about: 'behind an activation and a bias',
      leaves: 'MatMul Mul Add Relu',
      build: (g) => {
        const y = g.MatMul(g.input('x', 'float32', [2, 3, 4]), values(g, [4, 5]));
        return g.Mul(g.Relu(g.Add(y, values(g, [5], 3))), positives(g, [5]));
      },
    },
    {
      about: 'behind a gate',
      leaves: 'MatMul Sigmoid MatMul Mul Mul',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 3, 4]);
        const gate = g.Sigmoid(g.MatMul(x, values(g, [4, 5])));
        return g.Mul(g.Mul(gate, g.MatMul(x, values(g, [4, 5], 7))), positives(g, [5]));
      },
    },
    {
      about: 'behind what no layer makes',
      build: (g) => g.Mul(g.Relu(g.input('x', 'float32', [2, 3])), positives(g, [3])),
      fires: false,
    },
    {
      about: 'a factor that may be negative',
      build: (g) => g.Mul(g.Relu(g.MatMul(g.input('x', 'float32', [2, 3]), values(g, [3, 3]))), values(g, [3], 2)),
      fires: false,
    },
  ],
});
