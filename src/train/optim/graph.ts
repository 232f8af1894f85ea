/**
 * An optimiser's move as nodes of an ONNX graph: the same plans that `kernel.ts` compiles to WebAssembly, for weights that lie on a device.
 *
 *   uniform without sums   worked out on the processor in float64, as for kernels, and fed (`graph-numbers.ts`)
 *   uniform of sums        nodes over one number, float32
 *   per weight             nodes over whole parameters
 *
 * What a pass leaves for the next one is a value of the graph.
 */

import { PareError } from '../../base/error.ts';
import { sizeOf } from '../../graph/tensor.ts';
import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import type { Run } from './execute.ts';
import type { Expression, Operation } from './expression.ts';
import { dependsOn, type GraphNumbers, graphNumbers } from './graph-numbers.ts';
import { isMatrix, matrixDims } from './matrix.ts';
import type { MatrixPart, Part } from './move.ts';
import type { Pass } from './plan.ts';

/** A parameter that a move changes. */
export interface GraphParameter {
  readonly run: Run & { readonly parameter: string };
  readonly dims: readonly number[];
}

export interface GraphMove extends Pick<GraphNumbers, 'input' | 'at'> {
  /** Slot → parameter → its new value; what is missing stays as it was. */
  readonly results: ReadonlyMap<string, ReadonlyMap<string, StaticValue>>;
}

/** How each operation is said in ONNX. */
const NODE: Readonly<Record<Operation, (g: Builder, ...args: StaticValue[]) => StaticValue>> = {
  add: (g, a, b) => g.Add(a, b),
  sub: (g, a, b) => g.Sub(a, b),
  mul: (g, a, b) => g.Mul(a, b),
  div: (g, a, b) => g.Div(a, b),
  min: (g, a, b) => g.Min(a, b),
  max: (g, a, b) => g.Max(a, b),
  neg: (g, a) => g.Neg(a),
  abs: (g, a) => g.Abs(a),
  sqrt: (g, a) => g.Sqrt(a),
  ifGreater: (g, a, b, x, y) => g.Where(g.Greater(a, b), x, y),
  pow: (g, a, b) => g.Pow(a, b),
  exp: (g, a) => g.Exp(a),
  log: (g, a) => g.Log(a),
};

/** What the parts of a move share while they are appended. */
interface Context {
  readonly g: Builder;
  readonly parameters: readonly (GraphParameter & { readonly kind: number })[];
  readonly numbers: GraphNumbers;
  /** The latest value of a slot. */
  readonly now: (slot: string, parameter: string) => StaticValue;
  readonly write: (slot: string, parameter: string, value: StaticValue) => void;
  /** Sums so far; those of one parameter as `NAME PARAMETER`. */
  readonly sums: Map<string, StaticValue>;
  /** Does it differ between the parameters of a kind? */
  readonly isPrivate: (node: Expression) => boolean;
}

/**
 * Appends the nodes of a move's parts to the graph of `g`.
 *
 * `read` gives what a slot of a parameter holds before: `w`, `g` and state per weight in the parameter's dimensions, a matrix rule's own
 * state as a vector. It is asked for no more than is read, and perhaps twice.
 * Throws   optim/device for an optimiser whose state for all weights depends on norms.
 */
export function appendMove(
  g: Builder,
  parts: readonly Part[],
  parameters: readonly GraphParameter[],
  read: (slot: string, parameter: string) => StaticValue,
): GraphMove {
  const specs = parts.flatMap(({ plan }) => plan.passes.flatMap((pass) => pass.sums));
  const isSum = dependsOn((node) => node.kind === 'scalar' && specs.some(({ name }) => name === node.name));
  const isEach = (name: string): boolean => specs.some((sum) => sum.name === name && sum.over === 'parameter');
  for (const name of parts.flatMap(({ plan }) => [...plan.uniforms].flatMap(([name, is]) => (isSum(is) ? name : []))))
    throw unsayable(name);

  const kinds: Run[] = [];
  const placed = parameters.map((parameter) => {
    const { group, isMatrix: asMatrix } = parameter.run;
    const found = kinds.findIndex((kind) => kind.group === group && kind.isMatrix === asMatrix);
    return { ...parameter, kind: found < 0 ? kinds.push(parameter.run) - 1 : found };
  });
  const numbers = graphNumbers(g, parts, kinds, (node) => node.uniform && !isSum(node));
  const results = new Map<string, Map<string, StaticValue>>();
  const context: Context = {
    g,
    parameters: placed,
    numbers,
    now: (slot, parameter) => results.get(slot)?.get(parameter) ?? read(slot, parameter),
    write(slot, parameter, value) {
      const own = results.get(slot) ?? new Map<string, StaticValue>();
      results.set(slot, own.set(parameter, value));
    },
    sums: new Map(),
    isPrivate: dependsOn((node) => node.kind === 'slot' || (node.kind === 'scalar' && isEach(node.name))),
  };
  for (const { plan, matrix } of parts) {
    for (const pass of plan.passes) appendPass(pass, context);
    if (matrix) appendMatrix(matrix, context);
  }
  return { results, ...(numbers.input && { input: numbers.input }), at: numbers.at };
}

function appendPass({ outputs, sums: specs }: Pass, context: Context): void {
  const { g, parameters, numbers, now, write, sums, isPrivate } = context;
  const addends = new Map<string, StaticValue[]>();
  const common = new Map<number, Map<Expression, StaticValue>>();
  for (const { run, dims, kind } of parameters) {
    const { parameter } = run;
    const own = new Map<Expression, StaticValue>();
    const shared = common.get(kind) ?? new Map<Expression, StaticValue>();
    common.set(kind, shared);
    const emit = (node: Expression): StaticValue => {
      if (node.kind === 'constant') return g.scalar(node.value);
      if (node.kind === 'slot') return now(node.name, parameter);
      if (node.kind === 'scalar') return sums.get(node.name) ?? sums.get(`${node.name} ${parameter}`)!;
      return NODE[node.op](g, ...node.args.map(said));
    };
    const said = (node: Expression): StaticValue => {
      const made = isPrivate(node) ? own : shared;
      const value = made.get(node) ?? numbers.of(node, kind) ?? emit(node);
      made.set(node, value);
      return value;
    };
    for (const { name, over, of } of specs) {
      const flat = g.reshape(shaped(g, said(of), dims), [sizeOf(dims)]);
      const sum = g.ReduceSum(flat, [0], { keepdims: 1 }); // [1]
      if (over === 'parameter') sums.set(`${name} ${parameter}`, sum);
      else addends.set(name, [...(addends.get(name) ?? []), sum]);
    }
    // All new values come from the old ones, so none is written before all are said.
    const news = [...outputs].map(([slot, node]) => [slot, shaped(g, said(node), dims)] as const);
    for (const [slot, value] of news) write(slot, parameter, value);
  }
  for (const [name, each] of addends) {
    sums.set(name, each.length === 1 ? each[0]! : g.ReduceSum(g.Concat(...each, { axis: 0 }), [0], { keepdims: 1 }));
  }
}

/** A value with a parameter's dimensions, where numbers [] and [1] took part. */
const shaped = (g: Builder, value: StaticValue, dims: readonly number[]): StaticValue => {
  if (value.dims.length === dims.length && value.dims.every((dim, i) => dim === dims[i])) return value;
  return dims.length === 0 ? g.reshape(value, dims) : g.Expand(value, g.ints(dims));
};

/** The update of each matrix, as its rule has it. */
function appendMatrix({ id, rule, isFresh }: MatrixPart, { g, parameters, numbers, now, write }: Context): void {
  for (const { run, dims } of parameters) {
    const { parameter, group } = run;
    if (!rule.vectors && !isMatrix({ dims }, group)) continue;
    const [rows, columns] = matrixDims(dims);
    const values: Record<string, StaticValue> = {
      u: g.reshape(now('g', parameter), [rows, columns]),
      t: g.reshape(numbers.step(), []),
    };
    for (const [slot, state] of Object.entries(rule.state(rows, columns)))
      values[slot] = g.reshape(now(`${id}.${slot}`, parameter), state.dims);
    for (const [slot, value] of Object.entries(rule.body(g, values, isFresh))) {
      if (slot === 'u') write('g', parameter, g.reshape(value, dims));
      else write(`${id}.${slot}`, parameter, g.reshape(value, [sizeOf(value.dims)]));
    }
  }
}

const unsayable = (name: string): PareError =>
  new PareError('optim/device', `The optimiser "${name.split('.')[0]}" cannot be put on a device as it is.`, {
    where: name,
    expected: 'state for all weights that is known before the step',
    got: 'state that depends on a norm of this step',
    hint: 'resident: false updates in memory',
  });
