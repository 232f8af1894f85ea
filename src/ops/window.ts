/**
 * The geometry of sliding windows: what kernel, strides, dilations, pads and auto_pad say together.
 *
 *   reach = (kernel − 1) · dilation + 1
 *   out   = floor((in + padBegin + padEnd − reach) / stride) + 1        (ceil where ceil_mode asks)
 */

import { minus, over, plus } from '../graph/dim.ts';
import type { Dim } from '../graph/model.ts';

export interface WindowAttrs {
  readonly auto_pad?: string;
  readonly pads?: readonly number[] | undefined;
  readonly strides?: readonly number[] | undefined;
  readonly dilations?: readonly number[] | undefined;
  readonly ceil_mode?: number;
}

export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Begin and end pads per spatial axis; end pads are what auto_pad works out to. */
  readonly begin: readonly number[];
  readonly end: readonly number[];
  readonly out: readonly Dim[];
}

/** The window over spatial dimensions `size`. */
export function windowOf(size: readonly Dim[], kernel: readonly number[], attrs: WindowAttrs): Window {
  const rank = kernel.length;
  const strides = attrs.strides ?? new Array<number>(rank).fill(1);
  const dilations = attrs.dilations ?? new Array<number>(rank).fill(1);
  const begin: number[] = [];
  const end: number[] = [];
  const out: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const stride = strides[i]!;
    const reach = (kernel[i]! - 1) * dilations[i]! + 1;
    let [padBegin, padEnd] = [attrs.pads?.[i] ?? 0, attrs.pads?.[rank + i] ?? 0];
    const dim = size[i] ?? null;
    if (attrs.auto_pad === 'VALID') [padBegin, padEnd] = [0, 0];
    if (attrs.auto_pad === 'SAME_UPPER' || attrs.auto_pad === 'SAME_LOWER') {
      out.push(over(plus(dim, stride - 1), stride));
      const total = typeof dim === 'number' ? Math.max(0, (Math.ceil(dim / stride) - 1) * stride + reach - dim) : 0;
      padBegin = attrs.auto_pad === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
      padEnd = total - padBegin;
    } else {
      out.push(outSize(dim, padBegin, padEnd, reach, stride, attrs.ceil_mode === 1));
    }
    begin.push(padBegin);
    end.push(padEnd);
  }
  return { kernel, strides, dilations, begin, end, out };
}

function outSize(dim: Dim, begin: number, end: number, reach: number, stride: number, ceil: boolean): Dim {
  const room = minus(plus(dim, begin + end), reach);
  if (!ceil) return plus(over(room, stride), 1);
  if (typeof room !== 'number') return plus(over(plus(room, stride - 1), stride), 1);
  const count = Math.ceil(room / stride) + 1;
  // The last window must begin inside the input or its left padding.
  return typeof dim === 'number' && (count - 1) * stride >= dim + begin ? count - 1 : count;
}
