/** How fine the weights of one layer may be. */

import type { Dim, Node } from '../graph/model.ts';
import { labelOf } from './plan.ts';
import { limitOf } from './weight.ts';

export interface BitOptions {
  /** Bits of a weight, 2 to 8; up to 4 are stored as int4, which engines widen when they load the file. Default 8. */
  weightBits?: number;
  /** Layers, by node name or first output, whose weights have 8 bits whatever `weightBits` says. */
  wide?: readonly string[];
  /** Keep sums of neighbouring products of 8-bit weights within int16, in convolutions and matrix products. Default false. */
  pairSafe?: boolean;
}

/** Bits of the weights of this layer. */
export const bitsOf = (layer: Node, { weightBits = 8, wide = [] }: BitOptions): number =>
  wide.includes(labelOf(layer)) || wide.includes(layer.outputs[0] ?? '') ? 8 : weightBits;

/**
 * Could sums of two products of these weights overflow 16 bits where that has to be avoided?
 *
 * Shapes   dims: the weight's; axis: its output channels; input: what the layer reads.
 */
export const needsGuard = (
  bits: number,
  dims: readonly number[],
  axis: number,
  input: readonly Dim[] | undefined,
  { pairSafe = false }: BitOptions,
): boolean => pairSafe && bits === 8 && !isDepthwise(dims, axis, input);

/** The largest integer that is safe whatever stands beside it. */
export const safeLimit = (bits: number, isGuarded: boolean): number => limitOf(isGuarded ? bits - 1 : bits);

/** A convolution of each channel by itself: the engine's kernel for it adds in 32 bits. */
const isDepthwise = (dims: readonly number[], axis: number, input: readonly Dim[] | undefined): boolean =>
  dims.length > 2 && axis === 0 && dims[1] === 1 && dims[0]! > 1 && input?.[1] === dims[0];
