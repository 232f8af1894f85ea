/** Layers that are linear in what they read, as rows: y = W·x + b for every place of every group. */

import { random } from '../base/random.ts';
import type { Graph, Node } from '../graph/model.ts';
import { sizeOf } from '../graph/tensor.ts';
import type { Builder } from '../ops/builder.ts';
import type { Facts } from '../ops/infer.ts';
import type { StaticValue } from '../ops/op.ts';

/** A convolution or matrix product with constant weights. */
export interface LinearLayer {
  readonly node: Node;
  /** The value it reads, and the one it makes. */
  readonly x: string;
  readonly y: string;
  readonly weight: string;
  readonly bias: string | undefined;
  readonly groups: number;
  /** Numbers that one output is a sum of: channels of a group times places of the kernel. */
  readonly width: number;
  /** Outputs of one group. */
  readonly height: number;
  /** The axis of `y` that holds the outputs. */
  readonly axis: number;
  /** Weight element of group g, output o, input i, as a place in its memory. */
  readonly at: (g: number, o: number, i: number) => number;
  /** What is read as rows [groups, places, width]. */
  readonly rows: (g: Builder, x: StaticValue) => StaticValue;
  /** What is made as rows [groups, places, height]. */
  readonly answers: (g: Builder, y: StaticValue) => StaticValue;
}

type Reader = (node: Node, graph: Graph, facts: Facts) => LinearLayer | undefined;

const intsOf = (node: Node, key: string): readonly number[] | undefined => {
  const attr = node.attrs[key];
  return attr?.kind === 'ints' ? attr.value : undefined;
};
const intOf = (node: Node, key: string, otherwise: number): number => {
  const attr = node.attrs[key];
  return attr?.kind === 'int' ? attr.value : otherwise;
};
const constantBias = (graph: Graph, name: string | undefined): string | undefined =>
  name && graph.initializers.has(name) ? name : undefined;

const convolution: Reader = (node, graph, facts) => {
  const [x, weight, bias] = node.inputs as [string, string, string?];
  const W = graph.initializers.get(weight);
  const padding = node.attrs['auto_pad'];
  if (!W || (padding?.kind === 'string' && padding.value !== 'NOTSET') || W.dims.length < 3) return undefined;
  const [out, inside, ...kernel] = W.dims as [number, number, ...number[]];
  const groups = intOf(node, 'group', 1);
  const rank = kernel.length;
  const each = (key: string, otherwise: number, count: number): readonly number[] =>
    intsOf(node, key) ?? new Array<number>(count).fill(otherwise);
  const [strides, dilations, pads] = [each('strides', 1, rank), each('dilations', 1, rank), each('pads', 0, 2 * rank)];
  const width = inside * sizeOf(kernel);
  const height = out / groups;
  const places = facts.get(node.outputs[0]!)!.dims.slice(2) as number[];
  return {
    node,
    x,
    y: node.outputs[0]!,
    weight,
    bias: constantBias(graph, bias),
    groups,
    width,
    height,
    axis: 1,
    at: (g, o, i) => (g * height + o) * width + i,
    rows: (g, value) => {
      const n = value.dims[0]!;
      const padded = pads.some((pad) => pad > 0)
        ? g.emit('Pad', [value, [0, 0, ...pads.slice(0, rank), 0, 0, ...pads.slice(rank)]])[0]!
        : value;
      const axes = kernel.map((_, i) => i + 2);
      const shifted = offsetsOf(kernel).map((offset) => {
        const starts = offset.map((step, i) => step * dilations[i]!);
        const ends = starts.map((start, i) => start + (places[i]! - 1) * strides[i]! + 1);
        const [part] = g.emit('Slice', [padded, starts, ends, axes, strides]);
        return g.reshape(part!, [n, value.dims[1]!, 1, sizeOf(places)]);
      });
      const patches = shifted.length === 1 ? shifted[0]! : g.Concat(...shifted, { axis: 2 }); // [n, c, k, places]
      const split = g.reshape(patches, [n, groups, width, sizeOf(places)]);
      return g.reshape(g.Transpose(split, { perm: [1, 0, 3, 2] }), [groups, n * sizeOf(places), width]);
    },
    answers: (g, value) => {
      const n = value.dims[0]!;
      const split = g.reshape(value, [n, groups, height, sizeOf(places)]);
      return g.reshape(g.Transpose(split, { perm: [1, 0, 3, 2] }), [groups, n * sizeOf(places), height]);
    },
  };
};

const product: Reader = (node, graph, facts) => {
  const [x, weight, bias] = node.inputs as [string, string, string?];
  const W = graph.initializers.get(weight);
  const isPlain = intOf(node, 'transA', 0) === 0 && ['alpha', 'beta'].every((key) => floatOf(node, key) === 1);
  if (!W || W.dims.length !== 2 || !isPlain) return undefined;
  const isTurned = node.op === 'Gemm' && intOf(node, 'transB', 0) === 1;
  const [width, height] = (isTurned ? W.dims.toReversed() : W.dims) as [number, number];
  const rank = facts.get(node.outputs[0]!)!.dims.length;
  const rows =
    (columns: number) =>
    (g: Builder, value: StaticValue): StaticValue =>
      g.reshape(value, [1, sizeOf(value.dims) / columns, columns]);
  return {
    node,
    x,
    y: node.outputs[0]!,
    weight,
    bias: constantBias(graph, bias),
    groups: 1,
    width,
    height,
    axis: rank - 1,
    at: isTurned ? (_, o, i) => o * width + i : (_, o, i) => i * height + o,
    rows: rows(width),
    answers: rows(height),
  };
};

const floatOf = (node: Node, key: string): number => {
  const attr = node.attrs[key];
  return attr?.kind === 'float' ? attr.value : 1;
};

/** Every place of a kernel, in the order in which its weights lie. */
const offsetsOf = (kernel: readonly number[]): number[][] =>
  kernel.reduce<number[][]>(
    (lists, size) => lists.flatMap((list) => Array.from({ length: size }, (_, i) => [...list, i])),
    [[]],
  );

const READERS: Readonly<Record<string, Reader>> = { Conv: convolution, Gemm: product, MatMul: product };

/** The node as a linear layer, where it is one with weights of its own. */
export const linearLayer = (node: Node, graph: Graph, facts: Facts): LinearLayer | undefined =>
  node.domain === '' ? READERS[node.op]?.(node, graph, facts) : undefined;

/** How many nodes read each constant. */
export function readersOf(graph: Graph): Map<string, number> {
  const count = new Map<string, number>();
  for (const { inputs } of graph.nodes) for (const name of inputs) count.set(name, (count.get(name) ?? 0) + 1);
  return count;
}

/** Systems of equations wider than this would take minutes to solve. */
export const MOST_COLUMNS = 1536;
/** Places of a batch that are looked at, over all groups. */
const MOST_ROWS = 4096;

/** The same few rows of every group [groups, places, …], by chance: enough to tell second moments. */
export function someRows(g: Builder, rows: StaticValue, seed: number): StaticValue {
  const [groups, count] = rows.dims as [number, number, number];
  const most = Math.max(64, Math.floor(MOST_ROWS / Math.sqrt(groups)));
  if (count <= most) return rows;
  const source = random(seed, `prune/rows/${count}`);
  const picked = Array.from({ length: most }, () => source.integer(count));
  return g.emit('Gather', [rows, picked], { axis: 1 })[0]!;
}

/** What takes up a constant that is added to a layer's output: its bias, or the mean of the normalisation that alone reads it. */
export function constantOf(
  graph: Graph,
  y: string,
  bias: string | undefined,
): { readonly name: string; readonly sign: 1 | -1 } | undefined {
  if (bias !== undefined) return { name: bias, sign: 1 };
  const readers = graph.nodes.filter(({ inputs }) => inputs.includes(y));
  const mean = readers.length === 1 && readers[0]!.op === 'BatchNormalization' ? readers[0]!.inputs[3]! : undefined;
  return mean !== undefined && graph.initializers.has(mean) ? { name: mean, sign: -1 } : undefined;
}
