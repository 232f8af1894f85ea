/**
 * Conv, ConvTranspose, Gemm and MatMul seen as one thing: weights W and a bias b that make output channels.
 *
 *   y = W ∗ x + b          s · y + t = (s · W) ∗ x + (s · b + t)          per output channel
 */

import type { Node } from '../graph/model.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { doubles, isCalculable, mapElements, rounded } from './arithmetic.ts';
import { intsAttr, numberAttr, textAttr } from './attribute.ts';
import type { Edit, Net } from './net.ts';

/** The ops that this file knows. */
export const AFFINE = ['Conv', 'ConvTranspose', 'Gemm', 'MatMul'];

export interface Affine {
  readonly node: Node;
  readonly W: Tensor;
  /** b as it counts (Gemm's beta included), or undefined for none. */
  readonly b: Float64Array | undefined;
  /** Output channels. */
  readonly channels: number;
  /** Input channels (of all groups). */
  readonly inputs: number;
  /** Axis of the output on which the channels lie. */
  readonly axis: number;
  /** The output channel that element i of W belongs to. */
  readonly channelOf: (i: number) => number;
  /** The input channel that element i of W reads. */
  readonly inputOf: (i: number) => number;
}

/** The layer of a node that `affineOf` accepted before. */
export const affine = (node: Node, net: Net): Affine => affineOf(node, net) as Affine;

/** The layer, or the reason why its weights cannot be computed with. */
export function affineOf(node: Node, net: Net): Affine | string {
  const [, weight = '', bias = ''] = node.inputs;
  const W = net.constant(weight);
  if (!W) return `the weight "${weight}" is not a constant`;
  if (!isCalculable(W)) return `the weight "${weight}" is ${W.dtype}`;
  const layout = layoutOf(node, W, net);
  if (typeof layout === 'string') return layout;
  if (!bias) return { node, W, b: undefined, ...layout };
  const B = net.constant(bias);
  if (!B) return `the bias "${bias}" is not a constant`;
  const last = B.dims[B.dims.length - 1] ?? 1;
  const isRow = sizeOf(B.dims) === last && (last === 1 || last === layout.channels);
  if (!isRow) return `the bias "${bias}" differs from row to row`;
  const values = doubles(B);
  const beta = numberAttr(node, 'beta', 1);
  const b = Float64Array.from({ length: layout.channels }, (_, i) => beta * values[last === 1 ? 0 : i]!);
  return { node, W, b, ...layout };
}

type Layout = Pick<Affine, 'channels' | 'inputs' | 'axis' | 'channelOf' | 'inputOf'>;

function layoutOf(node: Node, W: Tensor, net: Net): Layout | string {
  if (node.op === 'Conv') {
    const [out = 0, perGroup = 0] = W.dims;
    const group = numberAttr(node, 'group', 1);
    const reach = sizeOf(W.dims.slice(2));
    const filter = perGroup * reach;
    const channelOf = (i: number): number => Math.floor(i / filter);
    const inputOf = (i: number): number =>
      Math.floor((channelOf(i) * group) / out) * perGroup + (Math.floor(i / reach) % perGroup);
    return { channels: out, inputs: perGroup * group, axis: 1, channelOf, inputOf };
  }
  if (node.op === 'ConvTranspose') {
    const [inputs = 0, perGroup = 0] = W.dims;
    const group = numberAttr(node, 'group', 1);
    const reach = sizeOf(W.dims.slice(2));
    const inputOf = (i: number): number => Math.floor(i / (perGroup * reach));
    const channelOf = (i: number): number =>
      Math.floor((inputOf(i) * group) / inputs) * perGroup + (Math.floor(i / reach) % perGroup);
    return { channels: perGroup * group, inputs, axis: 1, channelOf, inputOf };
  }
  if (W.dims.length !== 2) return `the weight "${node.inputs[1]}" is no matrix`;
  const [rows = 0, columns = 0] = W.dims;
  const row = (i: number): number => Math.floor(i / columns);
  const column = (i: number): number => i % columns;
  if (node.op === 'Gemm') {
    return numberAttr(node, 'transB', 0)
      ? { channels: rows, inputs: columns, axis: 1, channelOf: row, inputOf: column }
      : { channels: columns, inputs: rows, axis: 1, channelOf: column, inputOf: row };
  }
  const rank = net.dims(node.inputs[0]!)?.length;
  if (rank === undefined) return `the rank of "${node.inputs[0]}" is not known`;
  if (rank < 2) return `"${node.inputs[0]}" is a vector`;
  return { channels: columns, inputs: rows, axis: rank - 1, channelOf: column, inputOf: row };
}

/**
 * The layer with other weights and bias, emitted; returns its output. A MatMul that gains a bias becomes a Gemm where
 * its input is a matrix, else MatMul and Add.
 *
 * `wish` names the bias where the layer had none; `readers` are the nodes that disappear with the old layer.
 */
function emitAffine(
  edit: Edit,
  { node, W: before, axis }: Affine,
  W: Tensor,
  b: ArrayLike<number> | undefined,
  { wish = `${node.inputs[1]}_bias`, readers = [] }: { wish?: string; readers?: readonly Node[] } = {},
): string {
  const [x = '', weight = '', bias = ''] = node.inputs;
  const gone = [node, ...readers];
  const w = W === before ? weight : edit.reweigh(weight, W, ...gone);
  const vector = b && rounded(W.dtype, [b.length], b);
  const c = vector ? edit.reweigh(bias || wish, vector, ...gone) : '';
  if (node.op !== 'MatMul') {
    const { beta: _, ...attrs } = node.attrs;
    return edit.emit(node.op, c ? [x, w, c] : [x, w], attrs, { like: node });
  }
  if (!c) return edit.emit('MatMul', [x, w], {}, { like: node });
  if (axis === 1) return edit.emit('Gemm', [x, w, c], {}, { like: node });
  return edit.emit('Add', [edit.emit('MatMul', [x, w], {}, { like: node }), c]);
}

/** The layer, then s · y + t per output channel, as one layer. */
export function scaleOutputs(
  edit: Edit,
  layer: Affine,
  s: ArrayLike<number>,
  t: ArrayLike<number>,
  options: { wish?: string; readers?: readonly Node[] } = {},
): string {
  const { b, channels, channelOf } = layer;
  const isPlain = Array.prototype.every.call(s, (value) => value === 1);
  const W = isPlain ? layer.W : mapElements(layer.W, (value, i) => value * s[channelOf(i)]!);
  // Gemm's alpha multiplies W only, so it may stay where it is.
  const shifted = Float64Array.from({ length: channels }, (_, c) => (b ? b[c]! : 0) * s[c]! + t[c]!);
  return emitAffine(edit, layer, W, b || shifted.some((value) => value !== 0) ? shifted : undefined, options);
}

/** s · x + t per input channel, then the layer, as one layer. Right only where no padding mixes zeros in (or t = 0). */
export function scaleInputs(
  edit: Edit,
  layer: Affine,
  s: ArrayLike<number>,
  t: ArrayLike<number>,
  x: string,
  options: { wish?: string; readers?: readonly Node[] } = {},
): string {
  const { node, channels, channelOf, inputOf } = layer;
  const alpha = numberAttr(node, 'alpha', 1);
  const moved = Float64Array.from({ length: channels }, (_, c) => layer.b?.[c] ?? 0);
  const W = mapElements(layer.W, (value, i) => {
    moved[channelOf(i)]! += alpha * value * t[inputOf(i)]!;
    return value * s[inputOf(i)]!;
  });
  const fed = { ...layer, node: { ...node, inputs: [x, ...node.inputs.slice(1)] } };
  const bias = layer.b || moved.some((value) => value !== 0) ? moved : undefined;
  return emitAffine(edit, fed, W, bias, { ...options, readers: [node, ...(options.readers ?? [])] });
}

/** Does a window of this node reach beyond its input? */
export const isPadded = (node: Node): boolean =>
  textAttr(node, 'auto_pad').startsWith('SAME') || (intsAttr(node, 'pads') ?? []).some((pad) => pad !== 0);
