/** A fitted layer in its run's place. */

import type { Attr } from '../../graph/model.ts';
import { float32 } from '../../graph/tensor.ts';
import { type Matrix, matrix, transpose } from '../../linear/matrix.ts';
import type { Edit } from '../../rewrite/net.ts';
import type { Fit } from './geometry.ts';
import type { Fitted } from './least-squares.ts';

export interface Weight {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** One node of the layer: its weights by role, and attributes. */
export interface Piece {
  readonly op: 'Conv' | 'Gemm' | 'MatMul' | 'Add' | 'Flatten' | 'Transpose';
  readonly weights: readonly Weight[];
  readonly attrs: Readonly<Record<string, number | readonly number[]>>;
}

const windowAttrs = (windows: readonly Fit[]): Record<string, readonly number[]> => ({
  kernel_shape: windows.map(({ kernel }) => kernel),
  strides: windows.map(({ stride }) => stride),
  pads: [...windows.map(({ begin }) => begin), ...windows.map(({ end }) => end)],
});

/** W [kernel · kernel · channels, out] as ONNX has it: [out, channels, kernel, kernel]. */
function filters(W: Matrix, channels: number): Float32Array {
  const out = W.columns;
  const reach = W.rows / channels;
  const data = new Float32Array(W.data.length);
  for (let o = 0; o < out; o++)
    for (let i = 0; i < channels; i++)
      for (let k = 0; k < reach; k++) data[(o * channels + i) * reach + k] = W.data[(k * channels + i) * out + o]!;
  return data;
}

/** The layer's nodes in order; `base` begins the names of its weights. */
export function piecesOf({ single, W, b, parts }: Fitted, base: string): Piece[] {
  const { kind, input, output, windows } = single;
  const bias: Weight = { name: `${base}.bias`, dims: [b.length], data: Float32Array.from(b) };
  const out = b.length;
  if (kind === 'dense') {
    const weight: Weight = { name: `${base}.weight`, dims: [W.rows, out], data: Float32Array.from(W.data) };
    if (output.length === 2) {
      return [
        { op: 'MatMul', weights: [weight], attrs: {} },
        { op: 'Add', weights: [bias], attrs: {} },
      ];
    }
    const gemm: Piece = { op: 'Gemm', weights: [weight, bias], attrs: {} };
    return input.length === 1 ? [gemm] : [{ op: 'Flatten', weights: [], attrs: { axis: 1 } }, gemm];
  }
  if (kind === 'mixer') {
    const [features, kernel] = [input[1]!, windows[0]!.kernel];
    const weight: Weight = { name: `${base}.weight`, dims: [out, features, kernel], data: filters(W, features) };
    const turn: Piece = { op: 'Transpose', weights: [], attrs: { perm: [0, 2, 1] } };
    return [turn, { op: 'Conv', weights: [weight, bias], attrs: windowAttrs(windows) }, turn];
  }
  const channels = input[0]!;
  const side = windows.map(({ kernel }) => kernel);
  if (!parts) {
    const dims = [out, channels, ...side];
    const weight: Weight = { name: `${base}.weight`, dims, data: filters(W, channels) };
    return [{ op: 'Conv', weights: [weight, bias], attrs: windowAttrs(windows) }];
  }
  const deep: Weight = {
    name: `${base}.depthwise`,
    dims: [channels, 1, ...side],
    data: Float32Array.from(parts.deep.data),
  };
  const mixed = transpose(matrix(channels, out, parts.point.data));
  const point: Weight = { name: `${base}.pointwise`, dims: [out, channels, 1, 1], data: Float32Array.from(mixed.data) };
  return [
    { op: 'Conv', weights: [deep], attrs: { ...windowAttrs(windows), group: channels } },
    { op: 'Conv', weights: [point, bias], attrs: { kernel_shape: [1, 1] } },
  ];
}

/** Replaces the run by the layer (and the activation it ends in). Returns undefined, or the reason why nothing changed. */
export function place(edit: Edit, { single }: Fitted, pieces: readonly Piece[]): string | undefined {
  const { run, tail } = single;
  let y = run.from;
  for (const { op, weights, attrs } of pieces) {
    const names = weights.map(({ name, dims, data }) => edit.weight(name, float32(dims, data)));
    y = edit.emit(op, [y, ...names], attrs);
  }
  const { activation, pool, target } = tail;
  if (activation && pool) {
    // The activation comes after what the pool was: it must exist anew, under the pool's output.
    y = edit.emit(activation.op, [y, ...activation.inputs.slice(1)], activation.attrs as Record<string, Attr>);
    return edit.replace(edit.maker(run.to)!, [y]);
  }
  return edit.replace(edit.maker(target)!, [y]);
}
