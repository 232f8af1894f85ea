/** Queries, keys and values of several heads, read back to the product of matrices that they are columns of. */

import type { Dim, Node } from '../graph/model.ts';
import { numbers, sizeOf, type Tensor } from '../graph/tensor.ts';
import { intsAttr, knownInts, numberAttr, sameDims } from './attribute.ts';
import type { Net } from './net.ts';

/** x [B, L, D] · columns `from` to `from + heads · depth` of W [D, …] + b, as [B, heads, L, depth]. */
export interface ProjectedHeads {
  readonly x: string;
  readonly weight: string;
  readonly bias: string | undefined;
  readonly from: number;
  readonly heads: number;
  readonly depth: number;
}

type Columns = Pick<ProjectedHeads, 'x' | 'weight' | 'bias' | 'from'>;

/**
 * How a value is projected, or undefined where it is made in another way. It lies as [B, H, L, D], or with `places` first as [B, L, H, D].
 */
export function projectedHeads(name: string, net: Net, places = false): ProjectedHeads | undefined {
  const dims = net.dims(name);
  const [heads, depth] = [dims?.[places ? 2 : 1], dims?.[3]];
  if (dims?.length !== 4 || typeof heads !== 'number' || typeof depth !== 'number') return undefined;
  const columns = places
    ? ofPlaces(name, heads * depth, net)
    : (ofHeads(name, heads * depth, net) ?? ofStack(name, heads * depth, net));
  return columns && { ...columns, heads, depth };
}

/** Reshape of the columns [B, L, H · D]. */
function ofPlaces(name: string, width: number, net: Net): Columns | undefined {
  const apart = made(name, 'Reshape', net);
  return apart && keepsPlaces(apart, width, net) ? columnsOf(apart.inputs[0]!, net) : undefined;
}

/** Transpose of that. */
function ofHeads(name: string, width: number, net: Net): Columns | undefined {
  const turned = made(name, 'Transpose', net);
  if (!turned || `${intsAttr(turned, 'perm')}` !== '0,2,1,3') return undefined;
  return ofPlaces(turned.inputs[0]!, width, net);
}

/** One of the three slices of Transpose [3, B, H, L, D] of Reshape of the columns [B, L, 3 · H · D]. */
function ofStack(name: string, width: number, net: Net): Columns | undefined {
  const picked = made(name, 'Gather', net);
  const [place, ...more] = (picked && numberAttr(picked, 'axis', 0) === 0 && knownInts(picked.inputs[1], net)) || [];
  const turned = picked && made(picked.inputs[0]!, 'Transpose', net);
  const apart = turned && `${intsAttr(turned, 'perm')}` === '2,0,3,1,4' && made(turned.inputs[0]!, 'Reshape', net);
  if (!apart || place === undefined || more.length > 0 || !keepsPlaces(apart, 3 * width, net)) return undefined;
  const columns = columnsOf(apart.inputs[0]!, net);
  const at = (place + 3) % 3;
  return columns && { ...columns, from: columns.from + at * width };
}

/** Columns of x · W + b, all or those that a Split takes. */
function columnsOf(name: string, net: Net): Columns | undefined {
  const split = made(name, 'Split', net);
  if (!split) return product(name, net);
  const rank = net.dims(name)?.length ?? 0;
  const axis = numberAttr(split, 'axis', 0);
  if (axis !== -1 && axis !== rank - 1) return undefined;
  const widths = split.outputs.map((output) => net.dims(output)?.at(-1));
  const before = widths.slice(0, split.outputs.indexOf(name));
  if (!before.every((width) => typeof width === 'number')) return undefined;
  const whole = product(split.inputs[0]!, net);
  return whole && { ...whole, from: before.reduce((sum, width) => sum + width, 0) };
}

function product(name: string, net: Net): Columns | undefined {
  const sum = made(name, 'Add', net);
  const operands = sum ? sum.inputs : [name];
  const matmul = operands.map((each) => made(each, 'MatMul', net)).find((node) => node);
  const weight = matmul && net.constant(matmul.inputs[1]!);
  if (!matmul || weight?.dims.length !== 2 || weight.dtype !== 'float32') return undefined;
  const bias = operands.find((each) => each !== matmul.outputs[0]);
  if (bias !== undefined && !isRow(net.constant(bias), weight.dims[1]!)) return undefined;
  return { x: matmul.inputs[0]!, weight: matmul.inputs[1]!, bias, from: 0 };
}

const isRow = (bias: Tensor | undefined, width: number): boolean =>
  bias !== undefined && bias.dtype === 'float32' && sizeOf(bias.dims) === width && bias.dims.at(-1) === width;

/** Does a Reshape of [B, L, width] leave the first two axes as they are? */
function keepsPlaces(reshape: Node, width: number, net: Net): boolean {
  const [before, after] = [reshape.inputs[0]!, reshape.outputs[0]!].map((name) => net.dims(name));
  return before?.length === 3 && before[2] === width && sameDims(before.slice(0, 2), after?.slice(0, 2));
}

function made(name: string, op: string, net: Net): Node | undefined {
  const node = net.maker(name);
  return node?.op === op && node.domain === '' ? node : undefined;
}

/** Does a mask over scores of these dimensions let every place see itself and what is before it, and nothing else? */
export function isCausal(name: string, dims: readonly Dim[], isSeen: (value: number) => boolean, net: Net): boolean {
  const own = net.dims(name);
  if (!own || own.length < 2 || own.slice(0, -2).some((dim) => dim !== 1)) return false;
  if (own.at(-1) === null || own.at(-1) !== dims.at(-1) || own.at(-2) !== dims.at(-2) || own.at(-1) !== own.at(-2))
    return false;
  const table = net.constant(name) ?? cornerOf(name, net);
  const size = table?.dims.at(-1) ?? 0;
  if (!table || table.dtype === 'string' || sizeOf(table.dims) !== size * size) return false;
  const all = numbers(table);
  return all.every((value, i) => isSeen(value) === i % size <= Math.floor(i / size));
}

/** The constant whose upper left corner a value is. */
function cornerOf(name: string, net: Net): Tensor | undefined {
  const slice = made(name, 'Slice', net);
  if (!slice || !knownInts(slice.inputs[1], net)?.every((start) => start === 0)) return undefined;
  if (slice.inputs[4] && !knownInts(slice.inputs[4], net)?.every((step) => step === 1)) return undefined;
  return net.constant(slice.inputs[0]!) ?? cornerOf(slice.inputs[0]!, net);
}
