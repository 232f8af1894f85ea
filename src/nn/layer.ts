/** A layer is a function from a value to a value that leaves nodes and weights behind. */

import { random } from '../base/random.ts';
import type { Dim, Model } from '../graph/model.ts';
import { sizeOf, tensor } from '../graph/tensor.ts';
import { type Builder, draft } from '../ops/builder.ts';
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
 * A model of layers in a row: float32 [N, ...input] in, N dynamic.
 *
 * @example
 * sequential([conv2d(32, 3), relu(), maxPool2d(2), flatten(), dense(10)], { input: [1, 28, 28] })
 */
export function sequential(layers: readonly Layer[], options: BuildOptions): Model {
  const { input, inputName = 'x', outputName = 'y', seed = 0, name = 'pare' } = options;
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
      const values = init(dims, random(seed, `weight/${weightName}`));
      return g.constant(tensor('float32', dims, values), weightName);
    },
  };
  const x = g.input(inputName, 'float32', ['N', ...input]);
  const y = chainLayers(...layers)(x, making);
  const output = g.emit('Identity', [y], {}, { names: [outputName], name: 'output' })[0]!;
  const graph = building.finish([
    { name: output.name, type: { kind: 'tensor', dtype: output.dtype, dims: output.dims } },
  ]);
  return {
    ir: 10,
    opsets: { '': MODERN_OPSET },
    graph: withoutLastIdentity({ ...graph, name }),
    producer: { name: 'pare', version: '' },
    metadata: {},
  };
}

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
