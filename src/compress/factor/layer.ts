/** A Conv, Gemm or MatMul as the factorisations see it: W [out, in, ...kernel] in float64, whatever way it is stored. */

import type { Node } from '../../graph/model.ts';
import { sizeOf } from '../../graph/tensor.ts';
import { windowOf } from '../../ops/window.ts';
import { affineOf } from '../../rewrite/affine.ts';
import { doubles } from '../../rewrite/arithmetic.ts';
import { intsAttr, isQuantized, numberAttr, textAttr } from '../../rewrite/attribute.ts';
import type { Net } from '../../rewrite/net.ts';

/** A convolution (or, without spatial axes, a dense layer) of a chain that stands for one layer. */
export interface Part {
  /** [out, in / group, ...kernel]. */
  readonly dims: readonly number[];
  readonly group?: number;
  readonly strides?: readonly number[];
  readonly pads?: readonly number[];
  readonly dilations?: readonly number[];
}

export interface Layer {
  readonly node: Node;
  readonly kind: 'conv' | 'dense';
  /** Row-major [out, in, ...kernel]. */
  readonly W: Float64Array;
  readonly out: number;
  readonly inputs: number;
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
  readonly b: Float64Array | undefined;
  /** Spatial size of the input; none for a dense layer. */
  readonly size: readonly number[];
  /** Places per sample at which a dense layer works. */
  readonly rows: number;
}

/** The layer of a node, or the reason why it stays as it is. `net` has static dimensions of one sample. */
export function layerOf(node: Node, net: Net): Layer | string {
  if (isQuantized(node, net)) return 'it is quantised';
  const read = affineOf(node, net);
  if (typeof read === 'string') return read;
  const X = net.dims(node.inputs[0]!)?.map(Number);
  if (!X || X.some(Number.isNaN)) return 'the size of its input is not known';
  const { W, b, channels, inputs } = read;
  if (node.op !== 'Conv') {
    if (numberAttr(node, 'transA', 0)) return 'its input is transposed';
    const alpha = numberAttr(node, 'alpha', 1);
    const values = new Float64Array(channels * inputs);
    doubles(W).forEach((value, i) => {
      values[read.channelOf(i) * inputs + read.inputOf(i)] = alpha * value;
    });
    return {
      node,
      kind: 'dense',
      W: values,
      out: channels,
      inputs,
      kernel: [],
      strides: [],
      pads: [],
      dilations: [],
      b,
      size: [],
      rows: sizeOf(X.slice(0, -1)),
    };
  }
  if (numberAttr(node, 'group', 1) !== 1) return 'it works in groups';
  if (W.dims.length !== 4) return 'it has not two spatial axes';
  const kernel = W.dims.slice(2);
  const size = X.slice(2);
  const window = windowOf(size, kernel, {
    auto_pad: textAttr(node, 'auto_pad', 'NOTSET'),
    pads: intsAttr(node, 'pads'),
    strides: intsAttr(node, 'strides'),
    dilations: intsAttr(node, 'dilations'),
  });
  return {
    node,
    kind: 'conv',
    W: doubles(W),
    out: channels,
    inputs,
    kernel,
    strides: window.strides,
    pads: [...window.begin, ...window.end],
    dilations: window.dilations,
    b,
    size,
    rows: 1,
  };
}

/** The layer itself as a chain of one. */
export const whole = ({ out, inputs, kernel, strides, pads, dilations }: Layer): Part => ({
  dims: [out, inputs, ...kernel],
  strides,
  pads,
  dilations,
});

/** Multiply-accumulates of one sample through a chain that stands in for the layer. */
export function macsOf(parts: readonly Part[], { size, rows }: Pick<Layer, 'size' | 'rows'>): number {
  let at = size;
  let macs = 0;
  for (const { dims, strides, pads, dilations } of parts) {
    at = windowOf(at, dims.slice(2), { strides, pads, dilations }).out as number[];
    macs += sizeOf(dims) * sizeOf(at) * rows;
  }
  return macs;
}
