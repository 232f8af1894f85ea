/** A layer is a function from a value to a value that leaves nodes and weights behind. */

import { random } from '../base/random.ts';
import type { DType } from '../graph/dtype.ts';
import type { Dim, Graph, Model } from '../graph/model.ts';
import { elsewhere, sizeOf, type Tensor, tensor } from '../graph/tensor.ts';
import { type Builder, draft } from '../ops/builder.ts';
import { rowOf } from '../ops/index.ts';
import { MODERN_OPSET } from '../ops/modern.ts';
import type { Value } from '../ops/op.ts';
import type { Initializer } from './initializer.ts';

/** Where a layer puts what it makes. */
export interface Making {
  readonly g: Builder<Value>;
  /** A name for the layer, numbered: "conv1", "conv2". Node and weight names begin with it. */
  readonly name: (kind: string) => string;
  /** A trainable weight, drawn by its initialiser from the model's seed and its own name. */
  readonly weight: (name: string, dims: readonly number[], init: Initializer) => Value;
}

export type Layer = (x: Value, make: Making) => Value;

export interface BuildOptions {
  /** Dimensions of one sample, such as [3, 224, 224]. */
  readonly input: readonly number[];
  /** Default float32; int64 for class numbers and tokens. */
  readonly inputType?: DType;
  /** Name of the graph input. Default "x". */
  readonly inputName?: string;
  /** Name of the graph output. Default "y". */
  readonly outputName?: string;
  /** Default 0. */
  readonly seed?: number;
  readonly name?: string;
}

/** Layers one after the other, as one layer. */
export const chainLayers =
  (...layers: readonly Layer[]): Layer =>
  (x, make) =>
    layers.reduce((value, layer) => layer(value, make), x);

/**
 * A model of layers in a row: [N, ...input] in, N dynamic.
 *
 * @example
 * sequential([conv2d(32, 3), relu(), maxPool2d(2), flatten(), dense(10)], { input: [1, 28, 28] })
 */
export function sequential(layers: readonly Layer[], options: BuildOptions): Model {
  const { input, inputType = 'float32', inputName = 'x', outputName = 'y', ...rest } = options;
  return functional({ ...rest, inputs: { [inputName]: { dims: input, dtype: inputType } } }, (values, make) => ({
    [outputName]: chainLayers(...layers)(values[inputName]!, make),
  }));
}

export interface FunctionalOptions {
  /** Graph inputs by name: the dimensions of one sample, and the dtype (default float32). */
  readonly inputs: Readonly<Record<string, { readonly dims: readonly number[]; readonly dtype?: DType }>>;
  /** Default 0. */
  readonly seed?: number;
  readonly name?: string;
}

/**
 * A model of any shape: layers are functions from value to value, so branches are variables.
 *
 * @example
 * functional({ inputs: { x: { dims: [8] } } }, ({ x }, make) => {
 *   const wide = dense(32)(x!, make);
 *   return { y: dense(2)(add(wide, tanh()(wide, make), make), make) };
 * })
 */
export function functional(
  { inputs, seed = 0, name = 'pare' }: FunctionalOptions,
  build: (values: Readonly<Record<string, Value>>, make: Making) => Readonly<Record<string, Value>>,
): Model {
  const building = draft<Value>();
  const { g } = building;
  const counts = new Map<string, number>();
  const making: Making = {
    g,
    name: (kind) => {
      const count = (counts.get(kind) ?? 0) + 1;
      counts.set(kind, count);
      return `${kind}${count}`;
    },
    weight: (weightName, dims, init) => {
      const values = () => init(dims, random(seed, `weight/${weightName}`));
      return g.constant(sizeOf(dims) < LARGE ? tensor('float32', dims, values()) : remade(dims, values), weightName);
    },
  };
  const values = Object.fromEntries(
    Object.entries(inputs).map(([key, { dims, dtype = 'float32' }]) => [key, g.input(key, dtype, ['N', ...dims])]),
  );
  const outputs = Object.entries(build(values, making)).map(
    ([key, y]) => g.emit('Identity', [y], {}, { names: [key], name: 'output' })[0]!,
  );
  const graph = building.finish(
    outputs.map((y) => ({ name: y.name, type: { kind: 'tensor', dtype: y.dtype, dims: y.dims } })),
  );
  return {
    ir: 10,
    opsets: { '': opsetOf(graph) },
    graph: outputs.length === 1 ? withoutLastIdentity({ ...graph, name }) : { ...graph, name },
    producer: { name: 'pare', version: '' },
    metadata: {},
  };
}

/** Weights of a layer that are not held: they are made when somebody reads them, and again after memory was short. */
const LARGE = 2 ** 22;

function remade(dims: readonly number[], make: () => Float32Array): Tensor {
  let kept: WeakRef<Float32Array> | undefined;
  const whole = (): Uint8Array => {
    const values = kept?.deref() ?? make();
    kept = new WeakRef(values);
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  };
  return elsewhere('float32', dims, (into, at) => into.set(whole().subarray(at, at + into.length)), whole);
}

/** The oldest opset, from the one rows are written in, that has all ops of a graph. */
export const opsetOf = (graph: Graph): number =>
  graph.nodes.reduce((opset, node) => Math.max(opset, rowOf(node)?.since ?? 0), MODERN_OPSET);

/** The last node writes the output itself. */
function withoutLastIdentity(graph: Model['graph']): Model['graph'] {
  const last = graph.nodes[graph.nodes.length - 1]!;
  const made = graph.nodes.findLast((node) => node.outputs.includes(last.inputs[0]!));
  if (!made) return graph;
  const nodes = graph.nodes
    .slice(0, -1)
    .map((node) =>
      node === made
        ? { ...node, outputs: node.outputs.map((name) => (name === last.inputs[0] ? last.outputs[0]! : name)) }
        : node,
    );
  return { ...graph, nodes };
}

/** Size of an axis that must be a number (all but the batch). */
export const fixed = (dim: Dim | undefined): number => {
  if (typeof dim !== 'number') throw new TypeError(`expected a fixed size, got ${dim}`);
  return dim;
};

/** Elements per sample. */
export const perSample = (x: Value): number => sizeOf(x.dims.slice(1).map(fixed));
