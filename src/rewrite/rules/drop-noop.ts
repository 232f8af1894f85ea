/**
 * Nodes whose output is their input, element for element.
 *
 *   Cast to the same type, Reshape to the same dimensions, x + 0, x · 1, Slice of everything, Concat of one, …
 */

import { DTYPES } from '../../graph/dtype.ts';
import type { Node } from '../../graph/model.ts';
import { int64, tensor } from '../../graph/tensor.ts';
import { intsAttr, numberAttr, sameDims, textAttr, uniform } from '../attribute.ts';
import type { Net } from '../net.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';

/** Why the output is input `from`, or undefined when it may differ. */
interface Verdict {
  readonly why: string;
  readonly from: number;
}

type Judge = (node: Node, net: Net) => Verdict | undefined;

const keepsDims = (node: Node, net: Net, from = 0): boolean =>
  sameDims(net.dims(node.inputs[from]!), net.dims(node.outputs[0]!));

/** Moving elements about without moving any: true where dimensions stay, in their order. */
const stays: Judge = (node, net) => (keepsDims(node, net) ? { why: 'the dimensions stay', from: 0 } : undefined);

const alone: Judge = (node) =>
  node.inputs.filter(Boolean).length === 1 ? { why: 'it has one input', from: 0 } : undefined;

/** An operation with its neutral element, which must not stretch the other operand. */
const neutral =
  (element: number, sides: readonly number[]): Judge =>
  (node, net) => {
    const side = sides.find((i) => uniform(node.inputs[i], net) === element);
    if (side === undefined || !keepsDims(node, net, 1 - side)) return undefined;
    return { why: `${element} changes nothing`, from: 1 - side };
  };

const window: Judge = (node, net) => {
  const ones = (key: string): boolean => (intsAttr(node, key) ?? []).every((value) => value === 1);
  const noPads = (intsAttr(node, 'pads') ?? []).every((value) => value === 0);
  return ones('kernel_shape') && ones('strides') && noPads && !node.outputs[1] && keepsDims(node, net)
    ? { why: 'each window is one element', from: 0 }
    : undefined;
};

const NEVER_NEGATIVE = new Set(['Relu', 'Sigmoid', 'Softmax', 'HardSigmoid', 'Abs', 'Exp', 'Softplus']);

const judges: Readonly<Record<string, Judge>> = {
  Cast: (node, net) => {
    const dtype = net.fact(node.inputs[0]!)?.dtype;
    return dtype && DTYPES[dtype].code === numberAttr(node, 'to', 0)
      ? { why: `it is ${dtype} already`, from: 0 }
      : undefined;
  },
  Reshape: stays,
  Flatten: stays,
  Squeeze: stays,
  Unsqueeze: stays,
  Expand: stays,
  Tile: stays,
  Pad: (node, net) =>
    (net.fact(node.inputs[1] ?? '')?.ints ?? []).every((pad) => pad === 0) ? stays(node, net) : undefined,
  // With equal dimensions a slice takes all, unless it turns an axis round.
  Slice: (node, net) => (!node.inputs[4] || uniform(node.inputs[4], net) === 1 ? stays(node, net) : undefined),
  Transpose: (node) =>
    intsAttr(node, 'perm')?.every((axis, i) => axis === i) ? { why: 'the axes stay', from: 0 } : undefined,
  Concat: alone,
  Sum: alone,
  Max: alone,
  Min: alone,
  Mean: alone,
  Split: (node, net) => (node.outputs.length === 1 ? stays(node, net) : undefined),
  Add: neutral(0, [0, 1]),
  Sub: neutral(0, [1]),
  Mul: neutral(1, [0, 1]),
  Div: neutral(1, [1]),
  Pow: neutral(1, [1]),
  Clip: (node) =>
    !node.inputs[1] && !node.inputs[2] && !node.attrs.min && !node.attrs.max
      ? { why: 'it has no limits', from: 0 }
      : undefined,
  Relu: (node, net) => {
    const maker = net.maker(node.inputs[0]!);
    return maker && maker.domain === '' && NEVER_NEGATIVE.has(maker.op)
      ? { why: `${maker.op} is never negative`, from: 0 }
      : undefined;
  },
  MaxPool: window,
  AveragePool: window,
  DepthToSpace: (node) => (numberAttr(node, 'blocksize', 0) === 1 ? { why: 'blocks of one', from: 0 } : undefined),
  SpaceToDepth: (node) => (numberAttr(node, 'blocksize', 0) === 1 ? { why: 'blocks of one', from: 0 } : undefined),
  Resize: (node, net) => {
    const isWhole = textAttr(node, 'coordinate_transformation_mode', 'half_pixel') !== 'tf_crop_and_resize';
    return isWhole && uniform(node.inputs[2], net) === 1 ? stays(node, net) : undefined;
  },
};

export const dropNoop = rule({
  name: 'drop-noop',
  about: 'Nodes whose output equals their input are left out.',
  pattern: node(Object.keys(judges), [any()], { as: 'node' }),

  where: ({ nodes }, net) => judges[nodes.node!.op]!(nodes.node!, net) !== undefined,
  check: () => undefined,

  rewrite: ({ nodes }, edit) => {
    const { why, from } = judges[nodes.node!.op]!(nodes.node!, edit)!;
    return { outputs: [nodes.node!.inputs[from]], why };
  },

  samples: [
    {
      about: 'a Cast to the same type',
      leaves: 'Neg',
      build: (g) => g.Neg(g.Cast(g.input('x', 'float32', [2, 3]), { to: 1 })),
    },
    {
      about: 'a Reshape to the same dimensions',
      leaves: 'Neg',
      build: (g) => g.Neg(g.Reshape(g.input('x', 'float32', [2, 3]), [2, -1])),
    },
    {
      about: 'a Transpose that keeps the axes',
      leaves: 'Neg',
      build: (g) => g.Neg(g.Transpose(g.input('x', 'float32', [2, 3]), { perm: [0, 1] })),
    },
    {
      about: 'a Slice of everything',
      leaves: 'Neg',
      build: (g) => g.Neg(g.Slice(g.input('x', 'float32', [2, 3]), [0], [9], [1])),
    },
    {
      about: 'a Slice that turns an axis round',
      build: (g) => g.Neg(g.Slice(g.input('x', 'float32', [2, 3]), [-1], [-9], [1], [-1])),
      fires: false,
    },
    {
      about: 'a Concat of one',
      leaves: 'Neg',
      build: (g) => g.Neg(g.Concat(g.input('x', 'float32', [2, 3]), { axis: 0 })),
    },
    {
      about: 'an Expand to the same dimensions',
      leaves: 'Neg',
      build: (g) => g.Neg(g.Expand(g.input('x', 'float32', [2, 3]), [1, 3])),
    },
    {
      about: 'a Pad of nothing',
      leaves: 'Neg',
      build: (g) => g.Neg(g.Pad(g.input('x', 'float32', [2, 3]), [0, 0, 0, 0])),
    },
    {
      about: '0 + x',
      leaves: 'Neg',
      build: (g) => g.Neg(g.Add(g.constant(tensor('float32', [1], [0])), g.input('x', 'float32', [2, 3]))),
    },
    { about: 'x / 1', leaves: 'Neg', build: (g) => g.Neg(g.Div(g.input('x', 'float32', [2, 3]), 1)) },
    { about: '1 / x', build: (g) => g.Div(g.scalar(1), g.Exp(g.input('x', 'float32', [2, 3]))), fires: false },
    {
      about: 'x + 0 that stretches x',
      build: (g) => g.Add(g.input('x', 'float32', [3]), g.constant(tensor('float32', [2, 3], [0, 0, 0, 0, 0, 0]))),
      fires: false,
    },
    { about: 'a Relu after a Relu', leaves: 'Relu', build: (g) => g.Relu(g.Relu(g.input('x', 'float32', [2, 3]))) },
    {
      about: 'a pool of single elements',
      leaves: 'Neg',
      build: (g) => g.Neg(g.MaxPool(g.input('x', 'float32', [1, 2, 3, 3]), { kernel_shape: [1, 1] })),
    },
    {
      about: 'a Tile by one',
      leaves: 'Neg',
      build: (g) => g.Neg(g.Tile(g.input('x', 'float32', [2, 3]), g.constant(int64([2], [1, 1])))),
    },
    { about: 'x · w', build: (g) => g.Mul(g.input('x', 'float32', [2, 3]), values(g, [3])), fires: false },
  ],
});
