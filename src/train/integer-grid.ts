/**
 * The grid that a stored integer weight lies on, told by the nodes that read it.
 *
 *   DequantizeLinear(W, s, z)                                        its own s and z
 *   MatMulInteger(A, W, a_z, z) → Cast → Mul(s, or a_s · s)          the step that the sum of products is multiplied by
 *   Cast(W) → [Sub(z)] → Mul(s)                                      storage alone: s and z have the weight's axes, all but one of size 1
 */

import { type DType, factsOf, limitsOf } from '../graph/dtype.ts';
import type { Node } from '../graph/model.ts';
import { numbers, type Tensor, tensor } from '../graph/tensor.ts';

/** Scales and zero points repeat along a weight's elements. */
export interface Grid {
  readonly scales: readonly number[];
  readonly zeros: readonly number[];
  /** Elements that follow each other on the same channel. */
  readonly run: number;
  readonly axis: number;
  /** Where the reader has the weight. */
  readonly slot: number;
  /** The values that hold the step and the zero point, where they are not the reader's own. */
  readonly stepElsewhere?: string | undefined;
  readonly zeroElsewhere?: string | undefined;
}

/** The constants of a graph, and who reads and makes each of its values. */
export interface Links {
  readonly initializers: ReadonlyMap<string, Tensor>;
  readonly readers: ReadonlyMap<string, readonly Node[]>;
  readonly makers: ReadonlyMap<string, Node>;
}

/** What its readers say of a stored weight. */
interface Reading {
  /** The weight's slot. */
  readonly slot: number;
  /** The value that holds the zero point; undefined for 0. */
  readonly zero: (node: Node, links: Links) => string | undefined;
  readonly axis: (node: Node, rank: number, step: Tensor) => number;
  /** The value that holds the step. */
  readonly step: (node: Node, links: Links) => string | undefined;
}

const inFrontOf = (axis: number, rank: number): number => (axis + rank) % Math.max(1, rank);

const input =
  (slot: number): Reading['zero'] =>
  ({ inputs }) =>
    inputs[slot] || undefined;

const READINGS: Readonly<Record<string, Reading>> = {
  DequantizeLinear: {
    slot: 0,
    zero: input(2),
    axis: ({ attrs: { axis } }, rank) => inFrontOf(axis?.kind === 'int' ? axis.value : 1, rank),
    step: ({ inputs, attrs }) => (attrs['block_size']?.value ? undefined : inputs[1]),
  },
  MatMulInteger: { slot: 1, zero: input(3), axis: (_, rank) => rank - 1, step: stepBehind },
  ConvInteger: { slot: 1, zero: input(3), axis: () => 0, step: stepBehind },
  Cast: { slot: 0, zero: zeroBehind, axis: (_, rank, step) => broadcastAxis(step, rank), step: factorBehind },
};

const WHOLE_BYTES: ReadonlySet<DType> = new Set<DType>(['int8', 'uint8', 'int16', 'uint16', 'int32']);

/** The grid that all readers take the integers of `name` to lie on, or undefined where they disagree or do not say. */
export function gridOf(name: string, t: Tensor, links: Links): Grid | undefined {
  const readers = links.readers.get(name) ?? [];
  const [first] = readers;
  const reading = READINGS[first?.op ?? ''];
  if (!first || !reading || !WHOLE_BYTES.has(t.dtype)) return undefined;
  const { slot } = reading;
  const about = (node: Node, step: string | undefined): string =>
    JSON.stringify([node.op, step, reading.zero(node, links), node.attrs['axis']]);
  const step = reading.step(first, links);
  const agree = readers.every(
    (node) =>
      node.inputs.indexOf(name) === slot &&
      node.inputs.lastIndexOf(name) === slot &&
      about(node, reading.step(node, links)) === about(first, step),
  );
  const zero = reading.zero(first, links);
  const [s, z] = [links.initializers.get(step ?? ''), zero ? links.initializers.get(zero) : undefined];
  if (!agree || s?.dtype !== 'float32' || (zero && !z)) return undefined;
  const [scales, zeros] = [numbers(s), z ? numbers(z) : [0]];
  const axis = reading.axis(first, t.dims.length, z && scales.length === 1 ? z : s);
  const isElsewhere = step !== first.inputs[1];
  const isZeroElsewhere = zero !== undefined && !first.inputs.includes(zero);
  if (
    isZeroElsewhere &&
    !(z && isZeroPoint(z, t) && (zeros.length === 1 || reading.axis(first, t.dims.length, z) === axis))
  )
    return undefined;
  if (isElsewhere && ![scales, zeros].every(({ length }) => length === 1 || length === t.dims[axis])) return undefined;
  if (isElsewhere && (s.dims.filter((dim) => dim !== 1).length > 1 || scales.some((value) => !(value > 0)))) {
    return undefined;
  }
  const run = Math.max(scales.length, zeros.length) === 1 ? 1 : t.dims.slice(axis + 1).reduce((n, dim) => n * dim, 1);
  return {
    scales,
    zeros,
    run,
    axis,
    slot,
    stepElsewhere: isElsewhere ? step : undefined,
    zeroElsewhere: isZeroElsewhere ? zero : undefined,
  };
}

/** The one node that reads a value. */
function only(name: string | undefined, { readers }: Links): Node | undefined {
  const all = readers.get(name ?? '') ?? [];
  return all.length === 1 ? all[0] : undefined;
}

/** What a value is multiplied by, where that is all that is done with it. */
function factorOf(name: string | undefined, links: Links): string | undefined {
  const scaled = only(name, links);
  return scaled?.op === 'Mul' ? scaled.inputs.find((input) => input !== name) : undefined;
}

/** The constant factor of what a sum of integer products is multiplied by, once it is a float. */
function stepBehind({ outputs: [sum] }: Node, links: Links): string | undefined {
  const cast = only(sum, links);
  const factor = cast?.op === 'Cast' ? factorOf(cast.outputs[0], links) : undefined;
  const made = links.makers.get(factor ?? '');
  const factors = made?.op === 'Mul' ? made.inputs : [factor ?? ''];
  const constants = factors.filter((name) => links.initializers.has(name));
  return constants.length === 1 ? constants[0] : undefined;
}

/** Floats that are integers of the weight's type, along one axis at most. */
function isZeroPoint(zero: Tensor, { dtype }: Tensor): boolean {
  const [least, most] = limitsOf(dtype)!;
  const isWithin = numbers(zero).every((value) => Number.isInteger(value) && value >= least && value <= most);
  return zero.dtype === 'float32' && isWithin && zero.dims.filter((dim) => dim !== 1).length <= 1;
}

/** The Sub that takes a constant off a weight that has become floats. */
function zeroNode({ outputs: [floats] }: Node, links: Links): Node | undefined {
  const reader = only(floats, links);
  return reader?.op === 'Sub' && reader.inputs[0] === floats ? reader : undefined;
}

function zeroBehind(node: Node, links: Links): string | undefined {
  return zeroNode(node, links)?.inputs[1];
}

/** The constant factor of a weight that becomes floats. */
function factorBehind(node: Node, links: Links): string | undefined {
  const { outputs } = zeroNode(node, links) ?? node;
  const { to } = node.attrs;
  const factor = to?.value === factsOf('float32').code ? factorOf(outputs[0], links) : undefined;
  return factor !== undefined && links.initializers.has(factor) ? factor : undefined;
}

/** The axis of a weight of so many axes along which a factor varies; 0 where it does not. */
function broadcastAxis({ dims }: Tensor, rank: number): number {
  const own = dims.findIndex((dim) => dim !== 1);
  return own < 0 ? 0 : rank - dims.length + own;
}

/** Scales and zero points of a weight as two constants of the same size, for QuantizeLinear. */
export function stepsOf({ scales, zeros }: Grid, dtype: DType): { scale: Tensor; zero: Tensor } {
  const many = Math.max(scales.length, zeros.length);
  const dims = many === 1 ? [] : [many];
  const repeated = (list: readonly number[]) => Array.from({ length: many }, (_, i) => list[i % list.length]!);
  return { scale: tensor('float32', dims, repeated(scales)), zero: tensor(dtype, dims, repeated(zeros)) };
}
