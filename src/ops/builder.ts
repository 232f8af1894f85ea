/** Appends nodes to a graph by calling ops like functions: `g.Mul(x, g.Sigmoid(x))`. Shapes are known as soon as a node is made. */

import { internal, PareError } from '../base/error.ts';
import { nearest } from '../base/suggest.ts';
import { isStatic, showDims } from '../graph/dim.ts';
import type { DType } from '../graph/dtype.ts';
import { freshNames, namesOf, valueInfo } from '../graph/edit.ts';
import type { Attr, Dim, Graph, Node, ValueInfo } from '../graph/model.ts';
import { type Tensor, tensor } from '../graph/tensor.ts';
import { type OpName, ops, rowNamed } from './index.ts';
import { type Facts, factOf, infer, inferNode } from './infer.ts';
import type { Row, StaticValue, Value } from './op.ts';

export type AttrInput = number | string | readonly number[] | readonly string[] | Tensor | Graph | undefined;

/** What may stand as an input: a value; a number (a scalar of the first value's dtype); numbers (an int64 vector); nothing. */
export type Operand = Value | number | readonly number[] | null | undefined;

/** Appends one node and returns its first output. A plain object at the end holds attributes. */
export type Emit<V extends Value> = (...args: readonly (Operand | Readonly<Record<string, AttrInput>>)[]) => V;

/** Any op of the table, by its ONNX name, and what goes beyond one node. */
export type Builder<V extends Value = StaticValue> = { readonly [Op in OpName]: Emit<V> } & Making<V>;

interface Making<V extends Value> {
  /** Any op, with several outputs, another domain or chosen names. */
  readonly emit: (
    op: string,
    inputs: readonly Operand[],
    attrs?: Readonly<Record<string, AttrInput>>,
    options?: EmitOptions,
  ) => V[];
  /** A further graph input. */
  readonly input: (name: string, dtype: DType, dims: readonly Dim[]) => V;
  /** A weight or constant, under this name or the next free one like it. */
  readonly constant: (value: Tensor, wish?: string) => V;
  /** An int64 vector (shapes, axes, pads); equal ones are shared. */
  readonly ints: (values: readonly number[]) => V;
  /** A scalar; equal ones are shared. */
  readonly scalar: (value: number, dtype?: DType) => V;
  /** x summed over the axes that numpy broadcasting stretched, so that it has `dims`. */
  readonly sumTo: (x: Value, dims: readonly number[]) => V;
  /** x with these dimensions; no node when it has them already. */
  readonly reshape: (x: Value, dims: readonly number[]) => V;
  /** What is known of a value of the graph. */
  readonly of: (name: string) => V;
  /** Is there a value of this name? */
  readonly has: (name: string) => boolean;
  /**
   * A sub-graph for a control-flow attribute: `make` gets one value per input and returns the outputs.
   * It may read the values around it.
   */
  readonly body: (inputs: readonly Pick<V, 'dtype' | 'dims'>[], make: (g: Builder<V>, ...inputs: V[]) => V[]) => Graph;
  /** A name that is free. */
  readonly fresh: (wish: string) => string;
}

export interface EmitOptions {
  domain?: string;
  /** Number of outputs. Default 1. */
  outputs?: number;
  /** Names of the outputs, where they matter. */
  names?: readonly string[];
  name?: string;
}

/** A graph in the making. `finish` gives the value. */
export interface Draft<V extends Value = StaticValue> {
  readonly g: Builder<V>;
  /** Appends a node as it is; its outputs' facts must be known to the draft already. */
  keep(node: Node): void;
  /** The graph with all that was appended; outputs replaced when given. */
  finish(outputs?: readonly ValueInfo[]): Graph;
}

const EMPTY: Graph = { name: 'pare', nodes: [], inputs: [], outputs: [], initializers: new Map(), values: new Map() };

const isValue = (x: unknown): x is Value => typeof x === 'object' && x !== null && 'dtype' in x && 'name' in x;
const isGraph = (x: unknown): x is Graph => typeof x === 'object' && x !== null && 'nodes' in x;

/** An attribute of the kind that the row declares, else of the kind that its value suggests. */
export function attrOf(row: Row | undefined, key: string, value: NonNullable<AttrInput>): Attr {
  const kind = row?.attrs[key]?.kind;
  if (kind) return { kind, value } as Attr;
  if (typeof value === 'number') return { kind: Number.isInteger(value) ? 'int' : 'float', value };
  if (typeof value === 'string') return { kind: 'string', value };
  if (Array.isArray(value))
    return (typeof value[0] === 'string' ? { kind: 'strings', value } : { kind: 'ints', value }) as Attr;
  return isGraph(value) ? { kind: 'graph', value } : { kind: 'tensor', value: value as Tensor };
}

/**
 * Starts a draft on a graph (or on nothing). `facts` spares a second inference where the caller has one; `taken` are names that nodes
 * appended later will bring along.
 *
 * Throws   op/unknown from `g.Name` when no row has that name; graph/shape when a node's result cannot be told.
 */
export function draft<V extends Value = StaticValue>(
  graph: Graph = EMPTY,
  facts: Facts = infer(graph),
  { taken = [] }: { taken?: Iterable<string> } = {},
): Draft<V> {
  return drafting(graph, facts, freshNames(new Set([...namesOf(graph), ...facts.keys(), ...taken])), () => undefined);
}

/** `around` finds the values of the graphs that this one lies in; names are fresh in all of them. */
function drafting<V extends Value>(
  graph: Graph,
  facts: Facts,
  fresh: (wish: string) => string,
  around: (name: string) => Value | undefined,
): Draft<V> {
  const known = new Map(facts);
  const find = (name: string): Value | undefined => known.get(name) ?? around(name);
  const nodes: Node[] = [...graph.nodes];
  const inputs: ValueInfo[] = [...graph.inputs];
  const initializers = new Map(graph.initializers);
  const shared = new Map<string, V>();

  const remember = (value: Value): V => {
    known.set(value.name, value);
    return value as V;
  };
  const share = (key: string, make: () => Tensor): V => {
    const before = shared.get(key);
    if (before) return before;
    const made = constant(make(), key);
    shared.set(key, made);
    return made;
  };
  const constant = (value: Tensor, wish = 'constant'): V => {
    const name = fresh(wish);
    initializers.set(name, value);
    return remember(factOf(name, value));
  };
  const ints = (values: readonly number[]): V =>
    share(`ints_${values.join('_')}`, () => tensor('int64', [values.length], values));
  const scalar = (value: number, dtype: DType = 'float32'): V =>
    share(`${dtype}_${value}`, () => tensor(dtype, [], [value]));

  const emit: Making<V>['emit'] = (opName, operands, attrs = {}, options = {}) => {
    const row = rowNamed(opName, options.domain);
    if (!row) {
      const near = nearest(
        opName,
        [...ops.values()].map(({ type }) => type),
      );
      throw new PareError('op/unknown', `There is no row for the op "${opName}".`, {
        ...(near && { hint: `did you mean ${near}?` }),
      });
    }
    const dtype = operands.find(isValue)?.dtype ?? 'float32';
    const names = operands.map((operand) =>
      operand === null || operand === undefined
        ? ''
        : typeof operand === 'number'
          ? scalar(operand, dtype).name
          : isValue(operand)
            ? operand.name
            : ints(operand).name,
    );
    while (names.length > 0 && names[names.length - 1] === '') names.pop();
    const name = fresh(options.name ?? opName);
    const count = options.names?.length ?? options.outputs ?? 1;
    const outputs =
      options.names?.map(fresh) ??
      Array.from({ length: count }, (_, i) => fresh(count === 1 ? `${name}_out` : `${name}_out${i}`));
    const node: Node = {
      op: row.type,
      domain: row.domain,
      name,
      inputs: names,
      outputs,
      attrs: Object.fromEntries(
        Object.entries(attrs).flatMap(([key, value]) => (value === undefined ? [] : [[key, attrOf(row, key, value)]])),
      ),
    };
    nodes.push(node);
    return inferNode(node, find).map((value, i) => {
      if (!value) {
        throw new PareError('graph/shape', `The shape of ${opName}'s output cannot be told.`, {
          where: name,
          got: operands
            .filter(isValue)
            .map(({ name: input, dims }) => `${input} ${showDims(dims)}`)
            .join(', '),
        });
      }
      return remember({ ...value, name: outputs[i]! });
    });
  };

  const reshape: Making<V>['reshape'] = (x, dims) =>
    x.dims.length === dims.length && x.dims.every((dim, i) => dim === dims[i])
      ? (x as V)
      : emit('Reshape', [x, dims])[0]!;

  const sumTo: Making<V>['sumTo'] = (x, dims) => {
    if (!isStatic(x.dims)) throw internal(`sumTo needs static dimensions, got ${showDims(x.dims)}`);
    const from = x.dims;
    const lead = from.length - dims.length;
    const axes = from.flatMap((dim, i) => (i < lead || (dims[i - lead] === 1 && dim !== 1) ? [i] : []));
    return axes.length === 0 ? (x as V) : reshape(emit('ReduceSum', [x, axes], { keepdims: 0 })[0]!, dims);
  };

  const own = {
    emit,
    constant,
    ints,
    scalar,
    sumTo,
    reshape,
    fresh,
    has: (name: string): boolean => find(name) !== undefined,
    body: (inputTypes: readonly Pick<V, 'dtype' | 'dims'>[], make: (g: Builder<V>, ...inputs: V[]) => V[]): Graph => {
      const inner = drafting<V>({ ...EMPTY, name: fresh('body') }, new Map(), fresh, find);
      const given = inputTypes.map(({ dtype, dims }) => inner.g.input(fresh('body_in'), dtype, dims));
      // A value that goes straight through, or out twice, needs a node of its own.
      const seen = new Set(given.map(({ name }) => name));
      const results = make(inner.g, ...given).map((value) => {
        const own = seen.has(value.name) ? inner.g.Identity(value) : value;
        seen.add(own.name);
        return own;
      });
      return inner.finish(results.map(({ name, dtype, dims }) => valueInfo(name, dtype, dims)));
    },
    input: (name: string, dtype: DType, dims: readonly Dim[]): V => {
      inputs.push(valueInfo(name, dtype, dims));
      fresh(name);
      return remember({ name, dtype, dims });
    },
    of: (name: string): V => {
      const value = find(name);
      if (!value) throw new PareError('graph/shape', `Nothing is known of the value "${name}".`, { where: name });
      return value as V;
    },
  };

  const call =
    (opName: string): Emit<V> =>
    (...args) => {
      const last = args[args.length - 1];
      const hasAttrs = typeof last === 'object' && last !== null && !Array.isArray(last) && !isValue(last);
      const operands = (hasAttrs ? args.slice(0, -1) : args) as readonly Operand[];
      return emit(opName, operands, hasAttrs ? (last as Record<string, AttrInput>) : {})[0]!;
    };
  const g = new Proxy(own, {
    get: (target, key) =>
      key in target ? target[key as keyof typeof target] : typeof key === 'string' ? call(key) : undefined,
  }) as unknown as Builder<V>;

  return {
    g,
    keep: (node) => void nodes.push(node),
    finish: (outputs = graph.outputs) => ({ ...graph, nodes, inputs, initializers, outputs }),
  };
}
