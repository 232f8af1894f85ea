/**
 * Weights stored as 8-bit integers and computed with as floats: smaller files at exactly the float model's speed.
 *
 *   W ≈ cast(Q) · s,   Q = round(W / s),  s = max |W| / 127 per output channel
 *
 * Written as Cast and Mul, which every runtime folds into a float constant when it loads the file. (DequantizeLinear in
 * front of a float convolution is kept by ONNX Runtime, and costs its blocked kernels.)
 */

import { factsOf } from '../graph/dtype.ts';
import { consumers } from '../graph/edit.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { floats, sizeOf, type Tensor, tensor } from '../graph/tensor.ts';
import { rowOf } from '../ops/index.ts';
import { attrsOf, slotAt } from '../ops/infer.ts';
import { looksUp } from './embeddings.ts';
import { finite } from './finite.ts';
import { labelOf } from './plan.ts';
import { shortNames } from './scribe.ts';
import { along, channelMaxima, quantizeWeight } from './weight.ts';

/** Bytes of the two nodes and of what is named twice. */
const OVERHEAD = 96;

/** Do so many integers, with a scale for each channel on the axis, take fewer bytes than floats? */
const pays = ({ dims }: Tensor, axis: number | undefined): axis is number =>
  axis !== undefined && 3 * sizeOf(dims) > 4 * dims[axis]! + OVERHEAD;

/**
 * The model with its float weights stored as int8: those of layers that multiply, a scale per output channel, and tables that are looked up, a
 * scale per row. Those named stay as they are.
 */
export const storeWeights = (model: Model, except: ReadonlySet<string> = new Set()): Model =>
  stored(model, except, (...about) => channelAxis(...about) ?? rowAxis(...about));

/** The same for tables alone. */
export const storeTables = (model: Model, except: ReadonlySet<string> = new Set()): Model =>
  stored(model, except, rowAxis);

/** What the nodes of these names, outputs or ops read, those of sub-graphs too. */
export const readBy = ({ nodes }: Graph, labels: readonly string[] = []): Set<string> =>
  new Set(
    nodes
      .flatMap((node) => [node, ...within(node)])
      .flatMap(({ name, op, inputs, outputs }) =>
        [name, op, outputs[0]!].some((label) => labels.includes(label)) ? inputs : [],
      ),
  );

type AxisOf = (name: string, weight: Tensor, readers: readonly Node[]) => number | undefined;

function stored(model: Model, except: ReadonlySet<string>, axisOf: AxisOf): Model {
  const { graph } = model;
  const readers = consumers(graph);
  const fresh = shortNames(graph);
  const listed = new Set(graph.inputs.map(({ name }) => name));
  const initializers = new Map(graph.initializers);
  const unpacked: Node[] = [];
  for (const [name, weight] of graph.initializers) {
    const axis = listed.has(name) || except.has(name) ? undefined : axisOf(name, weight, readers.get(name) ?? []);
    if (!pays(weight, axis)) continue;
    const { integers, scales } = pack(name, weight, axis);
    const [q, s, f] = [fresh(), fresh(), fresh()];
    initializers.delete(name);
    initializers.set(q, integers);
    initializers.set(s, scales);
    unpacked.push(
      {
        op: 'Cast',
        domain: '',
        name: '',
        inputs: [q],
        outputs: [f],
        attrs: { to: { kind: 'int', value: factsOf('float32').code } },
      },
      { op: 'Mul', domain: '', name: '', inputs: [f, s], outputs: [name], attrs: {} },
    );
  }
  const next: Graph = { ...graph, initializers, nodes: [...unpacked, ...graph.nodes] };
  return { ...model, graph: next };
}

/** The float weights that layers which multiply read as they are: not those behind a dequantiser. */
export function floatWeights(graph: Graph): string[] {
  const readers = consumers(graph);
  return [...graph.initializers].flatMap(([name, weight]) =>
    pays(weight, channelAxis(name, weight, readers.get(name) ?? [])) ? [name] : [],
  );
}

/** The output-channel axis of a weight that some layer multiplies with, or undefined where it is not known. */
function channelAxis(name: string, weight: Tensor, readers: readonly Node[]): number | undefined {
  if (weight.dtype !== 'float32' || weight.dims.length < 2) return undefined;
  for (const node of readers.flatMap((reader) => [reader, ...within(reader)])) {
    const at = node.inputs.indexOf(name);
    const row = at < 0 ? undefined : rowOf(node);
    if (!row) continue;
    const slot = slotAt(row.inputs, at);
    const { quant } = row;
    if (quant.kind === 'weighted' && slot === quant.weight) return quant.axis(attrsOf(row, node), weight.dims.length);
    // A matrix on the left of a product gives rows.
    if (quant.kind === 'weighted' && slot === quant.input && weight.dims.length === 2) return 0;
    if (quant.kind === 'float' && quant.stores?.slots.includes(slot)) return quant.stores.axis;
  }
  return undefined;
}

/** The nodes of a node's sub-graphs, however deep. */
const within = ({ attrs }: Node): Node[] =>
  Object.values(attrs).flatMap((attr) =>
    attr.kind === 'graph' ? attr.value.nodes.flatMap((node) => [node, ...within(node)]) : [],
  );

/** A layer that computes in floats in any case and whose weights can be stored all the same. */
export function storesWeights(node: Node): boolean {
  const quant = rowOf(node)?.quant;
  return quant?.kind === 'float' && quant.stores !== undefined;
}

/** Labels of such layers, by themselves or in sub-graphs. */
export const storingLayers = ({ nodes }: Graph, exclude: readonly string[] = []): string[] =>
  nodes.flatMap((node) => {
    const stores = [node, ...within(node)].some((each) => {
      const isLeft = [each.name, each.op, each.outputs[0] ?? ''].some((label) => exclude.includes(label));
      return storesWeights(each) && !isLeft;
    });
    return stores ? [labelOf(node)] : [];
  });

/** The axis of the rows of a table that is looked up, or undefined. */
function rowAxis(name: string, weight: Tensor, readers: readonly Node[]): number | undefined {
  if (weight.dtype !== 'float32' || weight.dims.length !== 2) return undefined;
  return readers.some((reader) => [reader, ...within(reader)].some((node) => looksUp(node, name))) ? 0 : undefined;
}

function pack(name: string, weight: Tensor, axis: number): { integers: Tensor; scales: Tensor } {
  const values = finite(floats(weight), name);
  const lie = along(weight.dims, axis);
  const scales = Float32Array.from(channelMaxima(values, lie), (most) => (most > 0 ? most / 127 : 1));
  const integers = quantizeWeight(values, scales, lie, 127);
  const shape = weight.dims.map((dim, i) => (i === axis ? dim : 1));
  return { integers: tensor('int8', weight.dims, integers), scales: tensor('float32', shape, scales) };
}
