/** Reading attributes and small constants the way rules need them. */

import { factsOf } from '../graph/dtype.ts';
import type { Dim, Node } from '../graph/model.ts';
import { elements, numbers, sizeOf } from '../graph/tensor.ts';
import type { Net } from './net.ts';

/** Dimensions, axes and pads are never as many as this. */
const MANY = 1024;

/** An int or float attribute, or `fallback` where it is absent. */
export function numberAttr(node: Node, key: string, fallback: number): number {
  const attr = node.attrs[key];
  return attr?.kind === 'int' || attr?.kind === 'float' ? attr.value : fallback;
}

/** An ints attribute, or undefined where it is absent. */
export function intsAttr(node: Node, key: string): readonly number[] | undefined {
  const attr = node.attrs[key];
  return attr?.kind === 'ints' ? attr.value : undefined;
}

/** A string attribute, or `fallback` where it is absent. */
export function textAttr(node: Node, key: string, fallback = ''): string {
  const attr = node.attrs[key];
  return attr?.kind === 'string' ? attr.value : fallback;
}

/** The integers of a value, where they are known ahead of running: constants, and results of shape arithmetic. */
export function knownInts(name: string | undefined, net: Net): readonly number[] | undefined {
  if (!name) return undefined;
  const fixed = net.constant(name);
  if (fixed) return fixed.dtype === 'string' || sizeOf(fixed.dims) > MANY ? undefined : numbers(fixed);
  const ints = net.fact(name)?.ints;
  return ints?.every((dim): dim is number => typeof dim === 'number') ? ints : undefined;
}

/** The one number that a constant holds (every element alike), or undefined. */
export function uniform(name: string | undefined, net: Net): number | undefined {
  const fixed = name ? net.constant(name) : undefined;
  if (!fixed || fixed.dtype === 'string' || sizeOf(fixed.dims) === 0) return undefined;
  // Raw elements first: most constants differ early on, and large ones should not become plain numbers.
  const raw = elements(fixed) as Float32Array;
  if (factsOf(fixed.dtype).bits < 8 || raw.some((value) => value !== raw[0])) return undefined;
  return numbers({ ...fixed, dims: [1], bytes: fixed.bytes.subarray(0, raw.BYTES_PER_ELEMENT) })[0];
}

/** Are these certainly the same dimensions? */
export const sameDims = (a: readonly Dim[] | undefined, b: readonly Dim[] | undefined): boolean =>
  a !== undefined && b !== undefined && a.length === b.length && a.every((dim, i) => dim !== null && dim === b[i]);

/** Axes counted from the front. */
export const positiveAxes = (axes: readonly number[], rank: number): number[] =>
  axes.map((axis) => (axis < 0 ? axis + rank : axis));

/** The axes that a Reduce, Squeeze or Unsqueeze works on (its second input), or undefined where they are not known or absent. */
export const axesInput = (node: Node, net: Net): readonly number[] | undefined => knownInts(node.inputs[1], net);

/** Does a node read integers through DequantizeLinear? Such patterns are left to the engine's integer kernels. */
export const isQuantized = (node: Node, net: Net): boolean =>
  node.inputs.some((name) => net.maker(name)?.op === 'DequantizeLinear');
