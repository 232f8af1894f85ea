/** Shape inference: asks each node's row, in order, and carries known integers through shape arithmetic. Names no op. */

import { PareError } from '../base/error.ts';
import { bind } from '../graph/dim.ts';
import { type Dim, type Graph, type Node, tensorType } from '../graph/model.ts';
import { numbers, sizeOf, type Tensor } from '../graph/tensor.ts';
import { rowOf } from './index.ts';
import type { Attrs, Named, Out, Row, ShapeAnswer, Value } from './op.ts';

/** What is known of every value of a graph, by name. */
export type Facts = ReadonlyMap<string, Value>;

export interface InferOptions {
  /** Sizes of symbolic dimensions, such as `{ N: 64 }`. */
  symbols?: Readonly<Record<string, number>>;
  /** Dimensions of graph inputs that replace what the file says. */
  inputs?: Readonly<Record<string, readonly Dim[]>>;
}

/** Constants up to this many elements take part in shape arithmetic. */
const SMALL = 1024;
const COUNTABLE = new Set(['int64', 'int32', 'uint8', 'int8', 'int16', 'uint16', 'uint32', 'bool']);

/** What is known of a constant. */
export function factOf(name: string, constant: Tensor): Value {
  const small = COUNTABLE.has(constant.dtype) && sizeOf(constant.dims) <= SMALL;
  return { name, dtype: constant.dtype, dims: constant.dims, constant, ...(small && { ints: numbers(constant) }) };
}

/** The attributes of a node with the row's defaults filled in. */
export function attrsOf(row: Row, node: Pick<Node, 'attrs'>): Attrs {
  const attrs: Record<string, Attrs[string]> = {};
  for (const [name, { fallback }] of Object.entries(row.attrs)) attrs[name] = node.attrs[name]?.value ?? fallback;
  return attrs;
}

/** Items by slot name: 'X' one, 'B?' one or undefined, '...X' all that remain. */
export function bySlot<T>(
  slots: readonly string[],
  items: readonly (T | undefined)[],
): Record<string, T | readonly T[] | undefined> {
  const named: Record<string, T | readonly T[] | undefined> = {};
  slots.forEach((slot, i) => {
    if (slot.startsWith('...')) named[slot.slice(3)] = items.slice(i).filter((item): item is T => item !== undefined);
    else named[slot.replace('?', '')] = items[i];
  });
  return named;
}

/** The name of the slot that holds input (or output) number i. */
export const slotAt = (slots: readonly string[], i: number): string => {
  const last = slots[slots.length - 1] ?? '';
  const slot = slots[i] ?? last;
  return slot.replace('...', '').replace('?', '');
};

const asOuts = (answer: ShapeAnswer, row: Row, inputs: readonly (Value | undefined)[]): readonly (Out | null)[] => {
  const dtype = inputs.find((value) => value !== undefined)?.dtype;
  if (answer === null) return row.outputs.map(() => null);
  if (!Array.isArray(answer)) return [answer as Out];
  const isDims =
    answer.every((item) => item === null || typeof item !== 'object') &&
    !(answer.length > 0 && answer.every((x) => x === null) && row.outputs.length > 1);
  return isDims ? [{ dims: answer as readonly Dim[], ...(dtype && { dtype }) }] : (answer as readonly (Out | null)[]);
};

/**
 * What a node computes, as far as it can be told: one entry per output, undefined where unknown.
 *
 * Throws   shape/… from the row when the inputs cannot fit each other.
 */
export function inferNode(node: Node, known: (name: string) => Value | undefined): readonly (Value | undefined)[] {
  const row = rowOf(node);
  if (!row) return node.outputs.map(() => undefined);
  const inputs = node.inputs.map((name) => (name === '' ? undefined : known(name)));
  if (node.inputs.some((name, i) => name !== '' && inputs[i] === undefined)) return node.outputs.map(() => undefined);
  const missing = row.inputs.findIndex((slot, i) => !slot.endsWith('?') && !slot.startsWith('...') && !inputs[i]);
  if (missing >= 0) {
    throw new PareError('graph/missing-input', `${node.op} "${node.name}" lacks its input ${row.inputs[missing]}.`, {
      where: node.name,
      expected: row.inputs.join(', '),
      got: node.inputs.join(', '),
    });
  }
  const answer = row.shape(bySlot(row.inputs, inputs) as Named<Value>, attrsOf(row, node), node.outputs.length);
  const outs = asOuts(answer, row, inputs);
  const fallback = inputs.find((value) => value !== undefined)?.dtype ?? 'float32';
  return node.outputs.map((name, i) => {
    const out = outs[i];
    if (!out || name === '') return undefined;
    const { dims, ints, dtype = fallback } = out;
    return { name, dtype, dims, ...(ints && ints.length <= SMALL && { ints }) };
  });
}

/**
 * What is known of every value of the graph.
 *
 * Dimensions that the file states for inner values serve where no row can answer.
 */
export function infer(graph: Graph, { symbols = {}, inputs = {} }: InferOptions = {}, outer?: Facts): Facts {
  const facts = new Map<string, Value>(outer);
  for (const [name, constant] of graph.initializers) facts.set(name, factOf(name, constant));
  for (const info of graph.inputs) {
    const type = tensorType(info);
    if (!type || facts.has(info.name)) continue;
    const dims = inputs[info.name] ?? type.dims?.map((dim) => bind(dim, symbols));
    if (dims) facts.set(info.name, { name: info.name, dtype: type.dtype, dims });
  }
  const stated = new Map([...graph.values.values(), ...graph.outputs].map((info) => [info.name, tensorType(info)]));
  for (const node of graph.nodes) {
    const known = inferNode(node, (name) => facts.get(name));
    node.outputs.forEach((name, i) => {
      if (name === '') return;
      const type = stated.get(name);
      const value = known[i];
      if (value) facts.set(name, type?.dims ? refine(value, type.dims, symbols) : value);
      else if (type?.dims)
        facts.set(name, { name, dtype: type.dtype, dims: type.dims.map((dim) => bind(dim, symbols)) });
    });
  }
  return facts;
}

/** Unknown dimensions of an inferred value, filled in from what the file states. */
function refine(value: Value, stated: readonly Dim[], symbols: Readonly<Record<string, number>>): Value {
  if (stated.length !== value.dims.length || value.dims.every((dim) => dim !== null)) return value;
  return { ...value, dims: value.dims.map((dim, i) => dim ?? bind(stated[i]!, symbols)) };
}
