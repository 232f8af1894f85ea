/**
 * Channels of zeros that fill integer kernels up to what an engine is fast with: the model needs no product with them.
 *
 *   w [O, C, …] of codes, the last of O and the last of C all zero:   share = (1 − zeros / O) · (1 − zeros / C)
 *
 * Zeros between other channels are weights that happen to be zero, and count; not those of kernels that compute several columns at once, where
 * padding lays the same codes beside each other: share = width / padded width.
 */

import type { Node } from '../graph/model.ts';
import { numbers, sizeOf, type Tensor } from '../graph/tensor.ts';

/** Behind the codes come their scale and their zero point, in every op that reads codes. */
const ZERO_POINT = 2;
/** What moves codes as they are. */
const LAYS_OUT = new Set(['Reshape', 'Transpose']);

/** The share of a node's products that the model needs. `constant` and `maker` are those of its graph. */
export function neededShare(
  node: Node,
  constant: (name: string) => Tensor | undefined,
  maker: (name: string) => Node | undefined,
): number {
  /** Narrow codes stand behind a node that widens them. */
  const codesOf = (name: string): Tensor | undefined => {
    const { inputs } = maker(name) ?? { inputs: [name] };
    const found = inputs.length === 1 ? constant(inputs[0]!) : undefined;
    return found?.dtype === 'int8' || found?.dtype === 'int4' ? found : undefined;
  };
  /** Codes in several places of a kernel that is as much wider. */
  const spreadFrom = (name: string): { readonly codes: Tensor; readonly share: number } | undefined => {
    let laid = maker(name);
    while (laid && LAYS_OUT.has(laid.op)) laid = maker(laid.inputs[0]!);
    const pad = laid?.op === 'Concat' ? maker(laid.inputs[0]!) : laid;
    const codes = pad?.op === 'Pad' ? codesOf(pad.inputs[0]!) : undefined;
    const pads = codes && constant(pad!.inputs[1]!);
    if (!pads) return undefined;
    const width = codes.dims.at(-1)!;
    const zeros = numbers(pads).reduce((sum, each) => sum + each, 0);
    return { codes, share: width / (width + zeros) };
  };
  for (const [slot, name] of node.inputs.entries()) {
    const isInteger = codesOf(name) !== undefined || spreadFrom(name) !== undefined;
    const behind = isInteger ? undefined : maker(name);
    const from = behind?.inputs[0] ?? name;
    const spread = spreadFrom(from);
    const codes = spread?.codes ?? codesOf(from);
    if (!codes || codes.dims.length < 3) continue;
    const zero = constant((behind ? behind.inputs[ZERO_POINT] : node.inputs[slot + ZERO_POINT]) ?? '');
    if (zero?.bytes.some((byte) => byte !== 0)) return 1;
    const needed = [0, 1].map((axis) => 1 - zerosAtEnd(codes, axis) / codes.dims[axis]!);
    return needed[0]! * needed[1]! * (spread?.share ?? 1);
  }
  return 1;
}

/** How many of the last places of an axis hold zeros alone; 0 where all do. */
function zerosAtEnd(codes: Tensor, axis: number): number {
  const { dims } = codes;
  const values = codes.dtype === 'int8' ? codes.bytes : numbers(codes);
  const [outer, along, inner] = [sizeOf(dims.slice(0, axis)), dims[axis]!, sizeOf(dims.slice(axis + 1))];
  const isZero = (place: number): boolean => {
    for (let o = 0; o < outer; o++) {
      const from = (o * along + place) * inner;
      for (let i = from; i < from + inner; i++) if (values[i] !== 0) return false;
    }
    return true;
  };
  let count = 0;
  while (count < along && isZero(along - 1 - count)) count += 1;
  return count < along ? count : 0;
}
