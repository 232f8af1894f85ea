/** The ops that have a form in the blocked layout, and that form. A further op is a further row. */

import { isStatic } from '../../graph/dim.ts';
import type { Node } from '../../graph/model.ts';
import { float32, sizeOf } from '../../graph/tensor.ts';
import type { AttrInput } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import { convForm } from './blocked-conv.ts';
import { type Form, type Layout, NCHWC } from './layout.ts';

const attrsOf = (node: Node): Record<string, AttrInput> =>
  Object.fromEntries(Object.entries(node.attrs).map(([key, { value }]) => [key, value as AttrInput]));

/**
 * Element by element, in whatever order the elements lie: scalars and tensors of the result's dimensions.
 *
 * `joins`: one twin is enough, and the others are reordered; else all must be there, as what reads the result may well be plain.
 */
const elementWise =
  (joins: boolean): Form =>
  (node, { g, block, fact, twin, blocked }) => {
    const dims = fact(node.outputs[0]!)?.dims;
    if (!dims || !isStatic(dims) || dims.length !== 4 || dims[1]! % block !== 0) return undefined;
    const inputs = node.inputs.map((name) => (name === '' ? undefined : fact(name)));
    const isLarge = (x: StaticValue | undefined): x is StaticValue => x !== undefined && sizeOf(x.dims) > 1;
    const large = inputs.filter(isLarge);
    const here = large.filter(({ name }) => twin(name)).length;
    const isEnough = joins ? here > 0 : here === large.length && here > 0;
    if (!isEnough || !large.every((x) => x.dims.length === 4 && x.dims.every((dim, i) => dim === dims[i])))
      return undefined;
    const operands = inputs.map((x) => (isLarge(x) ? blocked(x.name) : x));
    return { value: g.emit(node.op, operands, attrsOf(node))[0]! };
  };

/** Per sample and channel, then over samples: [C]. */
const overSamples = (x: StaticValue, n: number, channels: number, { g }: Layout): StaticValue =>
  g.ReduceSum(g.reshape(x, [n, channels]), [0], { keepdims: 0 });

const channelSum: Form = (node, layout) => {
  const X = layout.twin(node.inputs[0]!);
  if (!X) return undefined;
  const { g, block } = layout;
  const [n, channels, height, width] = X.dims as [number, number, number, number];
  const rows = g.reshape(X, [(n * channels) / block, height * width, block]);
  return { value: overSamples(g.ReduceSum(rows, [1], { keepdims: 0 }), n, channels, layout), layout: 'plain' };
};

/** A depthwise convolution whose kernels are the planes of B: one pass over both. */
const channelDot: Form = (node, layout) => {
  const [a, b] = node.inputs as [string, string];
  if (!layout.twin(a) && !layout.twin(b)) return undefined;
  const { g } = layout;
  const [A, B] = [layout.blocked(a), layout.blocked(b)];
  const [n, channels, height, width] = A.dims as [number, number, number, number];
  const planes = n * channels;
  const dots = g.emit(
    'Conv',
    [g.reshape(A, [1, planes, height, width]), g.reshape(B, [planes, 1, height, width])],
    { group: planes },
    { domain: NCHWC },
  )[0]!;
  return { value: overSamples(dots, n, channels, layout), layout: 'plain' };
};

/** A depthwise convolution of one place. */
const channelAffine: Form = (node, { g, twin, blocked, plain }) => {
  const [x, gain, shift, term] = node.inputs as [string, string?, string?, string?];
  if (!twin(x) && !(term && twin(term))) return undefined;
  const X = blocked(x);
  const channels = X.dims[1]!;
  const factor = gain
    ? g.reshape(plain(gain), [channels, 1, 1, 1])
    : g.constant(float32([channels, 1, 1, 1], new Float32Array(channels).fill(1)), 'ones');
  const operands = [X, factor, shift ? plain(shift) : null, term ? blocked(term) : null];
  return { value: g.emit('Conv', operands, { group: channels }, { domain: NCHWC })[0]! };
};

const ARITHMETIC = ['Add', 'Sub', 'Mul', 'Div'];
const OF_ONE = [
  'Relu',
  'LeakyRelu',
  'HardSigmoid',
  'Sigmoid',
  'Tanh',
  'Clip',
  'HardSwish',
  'Elu',
  'Neg',
  'Abs',
  'Exp',
  'Sqrt',
];

export const FORMS: ReadonlyMap<string, Form> = new Map([
  ['/Conv', convForm],
  ['pare/ChannelSum', channelSum],
  ['pare/ChannelDot', channelDot],
  ['pare/ChannelAffine', channelAffine],
  ...ARITHMETIC.map((type): [string, Form] => [`/${type}`, elementWise(true)]),
  ...OF_ONE.map((type): [string, Form] => [`/${type}`, elementWise(false)]),
]);
