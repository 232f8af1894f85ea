/** Shape inference: asks each node's row, in order, and carries known integers through shape arithmetic. Names no op. */

import { PareError } from '../base/error.ts';
import { bind, showDims } from '../graph/dim.ts';
import { isFloat } from '../graph/dtype.ts';
import { type Dim, type Graph, type Node, tensorType } from '../graph/model.ts';
import { numbers, sizeOf, type Tensor } from '../graph/tensor.ts';
import { rowOf } from './index.ts';
import type { Attrs, Named, Out, Row, Scope, ShapeAnswer, Value } from './op.ts';

/** What is known of every value of a graph, by name. */
export type Facts = ReadonlyMap<string, Value>;

/** Looks a value up by its name. */
type Known = (name: string) => Value | undefined;
type Symbols = Readonly<Record<string, number>>;

export interface InferOptions {
  /** Sizes of symbolic dimensions, such as `{ N: 64 }`. */
  symbols?: Symbols;
  /** Dimensions of graph inputs that replace what the file says. */
  inputs?: Readonly<Record<string, readonly Dim[]>>;
}

/** Constants up to this many elements take part in shape arithmetic. */
const SMALL = 1024;
const COUNTABLE = new Set(['int64', 'int32', 'uint8', 'int8', 'int16', 'uint16', 'uint32', 'bool']);
/** Float constants take part while they are as short as a list of scales is. */
const FEW = 16;

/** What is known of a constant. */
export function factOf(name: string, constant: Tensor): Value {
  const most = COUNTABLE.has(constant.dtype) ? SMALL : isFloat(constant.dtype) ? FEW : -1;
  const small =
    sizeOf(constant.dims) <= most && !constant.dtype.startsWith('float8') && !constant.dtype.startsWith('float4');
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

/** How integers enter this node, told from the constants that it reads. */
export function quantOf(row: Row, node: Node, graph: Graph): Exclude<Row['quant'], { kind: 'depends' }> {
  const { quant } = row;
  if (quant.kind !== 'depends') return quant;
  const numberOf = (name: string): number | null | undefined => {
    if (name === '') return undefined;
    const constant = graph.initializers.get(name);
    return constant && sizeOf(constant.dims) === 1 ? numbers(constant)[0]! : null;
  };
  return quant.on(bySlot(row.inputs, node.inputs.map(numberOf)) as Named<number | null>, attrsOf(row, node));
}

const asOuts = (answer: ShapeAnswer, row: Row, inputs: readonly (Value | undefined)[]): readonly (Out | null)[] => {
  const dtype = inputs.find((value) => value !== undefined)?.dtype;
  if (answer === null) return row.outputs.map(() => null);
  if (!Array.isArray(answer)) return [answer as Out];
  // An op with any number of outputs always lists them.
  if (row.outputs[0]?.startsWith('...')) return answer as readonly (Out | null)[];
  const isDims =
    answer.every((item) => item === null || typeof item !== 'object') &&
    !(answer.length > 0 && answer.every((x) => x === null) && row.outputs.length > 1);
  return isDims ? [{ dims: answer as readonly Dim[], ...(dtype && { dtype }) }] : (answer as readonly (Out | null)[]);
};

/**
 * What a node computes, as far as it can be told: one entry per output, undefined where unknown.
 *
 * Throws   shape/… from the row when the inputs cannot fit each other, shape/malformed when it cannot read them.
 */
export function inferNode(node: Node, known: Known, symbols: Symbols = {}): readonly (Value | undefined)[] {
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
  const answer = answerOf(row, node, inputs, scopeOf(known, symbols));
  const outs = asOuts(answer, row, inputs);
  const fallback = inputs.find((value) => value !== undefined)?.dtype ?? 'float32';
  return node.outputs.map((name, i) => {
    const out = outs[i];
    if (!out || name === '') return undefined;
    const { dims, ints, constant, dtype = fallback } = out;
    if (constant) return factOf(name, constant);
    return { name, dtype, dims: dims.map(sane), ...(ints && ints.length <= SMALL && { ints }) };
  });
}

/** A size that came out of nonsense (a negative one, none at all) is unknown. */
const sane = (dim: Dim | undefined): Dim => (typeof dim === 'number' && !(dim >= 0) ? null : (dim ?? null));

/** Asks the row; what it cannot read (a missing axis, an attribute of another kind) is the model's fault, and named. */
function answerOf(row: Row, node: Node, inputs: readonly (Value | undefined)[], scope: Scope): ShapeAnswer {
  try {
    return row.shape(bySlot(row.inputs, inputs) as Named<Value>, attrsOf(row, node), node.outputs.length, scope);
  } catch (cause) {
    if (cause instanceof PareError) throw cause;
    throw new PareError('shape/malformed', `${node.op} "${node.name}" has inputs or attributes that make no sense.`, {
      where: node.name || (node.outputs[0] ?? node.op),
      got: inputs.map((value) => (value ? `${value.name} ${showDims(value.dims)}` : 'nothing')).join(', '),
      cause,
    });
  }
}

/** What surrounds a sub-graph: it reads the values around it, and its inputs are what the node hands it. */
const scopeOf = (known: Known, symbols: Symbols): Scope => ({
  outputsOf: (graph, inputs) => {
    const own = inferScope(graph, { symbols }, known, inputs);
    return graph.outputs.map(({ name }) => own.get(name) ?? known(name));
  },
});

/** What is known inside a sub-graph, given what its inputs are (by position), and around it. */
export const inferBody = (
  graph: Graph,
  outer: Facts,
  inputs: readonly (Omit<Value, 'name'> | undefined)[],
  symbols: Symbols = {},
): Facts => new Map([...outer, ...inferScope(graph, { symbols }, (name) => outer.get(name), inputs)]);

/**
 * What is known of every value of the graph.
 *
 * Dimensions that the file states for inner values serve where no row can answer.
 * `outer` is what is known around the graph; the answer holds it too.
 */
export function infer(graph: Graph, options: InferOptions = {}, outer?: Facts): Facts {
  const own = inferScope(graph, options, (name) => outer?.get(name));
  return outer ? new Map([...outer, ...own]) : own;
}

/** The graph's own values; `given` are the values that a node hands to the inputs of its sub-graph. */
function inferScope(
  graph: Graph,
  { symbols = {}, inputs = {} }: InferOptions,
  outer: Known,
  given: readonly (Omit<Value, 'name'> | undefined)[] = [],
): Map<string, Value> {
  const learner = learn(graph, { symbols, inputs }, outer, given);
  for (const node of graph.nodes) learner.see(node);
  return learner.facts;
}

/** The symbol of an input's dimension that the file leaves open without a name: the same size wherever it turns up. */
const ownSymbol = (input: string, axis: number): Dim => `${input.replace(/[*()+-]/g, '_')}.${axis}`;

export interface Learner {
  /** What is known so far. */
  readonly facts: Map<string, Value>;
  /** Adds what the next node computes. */
  see(node: Node): void;
}

/** Inference in the making, node by node: starts from the graph's inputs and initialisers. */
export function learn(
  graph: Graph,
  { symbols = {}, inputs = {} }: InferOptions = {},
  outer: Known = () => undefined,
  given: readonly (Omit<Value, 'name'> | undefined)[] = [],
): Learner {
  const facts = new Map<string, Value>();
  for (const [name, constant] of graph.initializers) facts.set(name, factOf(name, constant));
  const isBody = given.length > 0;
  graph.inputs.forEach((info, i) => {
    const type = tensorType(info);
    if (facts.has(info.name)) return;
    // An input that is known around the graph was bound there already, its symbols included.
    const handed = given[i] ?? outer(info.name);
    const dims =
      inputs[info.name] ??
      type?.dims?.map((dim, axis) => bind(dim ?? (isBody ? null : ownSymbol(info.name, axis)), symbols));
    if (handed)
      facts.set(
        info.name,
        dims ? refine({ ...handed, name: info.name }, dims, symbols) : { ...handed, name: info.name },
      );
    else if (dims && type) facts.set(info.name, { name: info.name, dtype: type.dtype, dims });
  });
  const stated = new Map([...graph.values.values(), ...graph.outputs].map((info) => [info.name, tensorType(info)]));
  const known: Known = (name) => facts.get(name) ?? outer(name);
  const see = (node: Node): void => {
    inferNode(node, known, symbols).forEach((value, i) => {
      const name = node.outputs[i]!;
      if (name === '') return;
      const type = stated.get(name);
      if (value) facts.set(name, type?.dims ? refine(value, type.dims, symbols) : value);
      else if (type?.dims)
        facts.set(name, { name, dtype: type.dtype, dims: type.dims.map((dim) => bind(dim, symbols)) });
    });
  };
  return { facts, see };
}

/** Unknown dimensions of an inferred value, filled in from what the file states. */
function refine(value: Value, stated: readonly Dim[], symbols: Symbols): Value {
  if (stated.length !== value.dims.length || value.dims.every((dim) => dim !== null)) return value;
  return { ...value, dims: value.dims.map((dim, i) => dim ?? bind(stated[i]!, symbols)) };
}
