/**
 * What a node is to quantisation: its row's answer, read for one node of one graph.
 *
 * Rows say how integers enter an op, but not yet three further things: that an op clamps (so that an integer's limits can
 * do its work), that it multiplies by a constant (which moves the grid and no integer) and that it pads with a constant (so
 * that it can work on the integers themselves). They are tabled here until rows answer them.
 */

import type { Graph, Node } from '../graph/model.ts';
import { numbers, sizeOf, type Tensor } from '../graph/tensor.ts';
import { rowOf } from '../ops/index.ts';
import { attrsOf, type Facts, slotAt } from '../ops/infer.ts';
import type { Range } from './range.ts';

export type Role =
  /** input · weight + bias with a constant weight; the numbers are places among the node's inputs, −1 for none. */
  | {
      readonly kind: 'weighted';
      readonly input: number;
      readonly weight: number;
      readonly bias: number;
      /** Where a bias would stand; −1 for an op that has none. */
      readonly biasSlot: number;
      /** The weight's channel axis. */
      readonly axis: number;
      /** A matrix product: the engine can leave it in floats. A convolution's result must be quantised. */
      readonly product: boolean;
    }
  /** A product of two values that are computed. */
  | { readonly kind: 'product'; readonly inputs: readonly number[] }
  /** Integer kernel, each operand with a grid of its own. */
  | { readonly kind: 'own' }
  /** The same grid in and out; `padding` when it brings in zeros, which takes the zero point as its constant. */
  | { readonly kind: 'passes'; readonly padding: boolean }
  /** y = by · x with by > 0: the same integers on a grid that is so many times as wide. */
  | { readonly kind: 'rescales'; readonly input: number; readonly by: number }
  /** y = min(max(x, lo), hi). */
  | { readonly kind: 'clamps'; readonly to: Range }
  | { readonly kind: 'float'; readonly why: string };

const scalarOf = (tensor: Tensor | undefined): number | undefined =>
  tensor && sizeOf(tensor.dims) === 1 ? numbers(tensor)[0] : undefined;

/** Ops that clamp, by name, and to what; undefined when the limits are computed. */
const CLAMPS: Readonly<Record<string, (node: Node, graph: Graph) => Range | undefined>> = {
  Relu: () => ({ lo: 0, hi: Number.POSITIVE_INFINITY }),
  Clip: (node, graph) => {
    const bound = (slot: number, none: number): number | undefined => {
      const name = node.inputs[slot];
      return name ? scalarOf(graph.initializers.get(name)) : none;
    };
    const lo = bound(1, Number.NEGATIVE_INFINITY);
    const hi = bound(2, Number.POSITIVE_INFINITY);
    // 0 is on every grid, so a range without it cannot be a grid's.
    return lo !== undefined && hi !== undefined && lo <= 0 && hi >= 0 ? { lo, hi } : undefined;
  },
};

/** Ops that multiply by a constant number, by name: what the number stands for. */
const RESCALES: Readonly<Record<string, (operands: readonly (number | undefined)[]) => readonly [number, number]>> = {
  Mul: ([a, b]) => (b === undefined ? [1, a ?? 0] : [0, b]),
  Div: ([, b]) => [0, 1 / (b ?? 0)],
};

const rescaled = (node: Node, graph: Graph, facts: Facts): Role | undefined => {
  const form = node.domain === '' ? RESCALES[node.op] : undefined;
  if (!form) return undefined;
  const [input, by] = form(node.inputs.map((name) => scalarOf(graph.initializers.get(name))));
  const [x, factor] = [facts.get(node.inputs[input]!), facts.get(node.inputs[1 - input]!)];
  // A factor of more axes than x would give the result more axes too.
  const isPlain = x?.dtype === 'float32' && (factor?.dims.length ?? 0) <= x.dims.length;
  return isPlain && by > 0 && Number.isFinite(by) ? { kind: 'rescales', input, by } : undefined;
};

/** Pads by a constant that is 0. */
const padsWithZero = (node: Node, graph: Graph): boolean => {
  if (node.op !== 'Pad' || node.domain !== '') return false;
  const mode = node.attrs['mode'];
  if (mode?.kind === 'string' && mode.value !== 'constant') return false;
  return !node.inputs[2] || scalarOf(graph.initializers.get(node.inputs[2])) === 0;
};

/** The role of a node. Only float32 values are quantised. */
export function roleOf(node: Node, graph: Graph, facts: Facts): Role {
  const row = rowOf(node);
  if (!row) return { kind: 'float', why: `nothing is known of ${node.op}` };
  const clamp = node.domain === '' ? CLAMPS[node.op]?.(node, graph) : undefined;
  if (clamp) return { kind: 'clamps', to: clamp };
  if (padsWithZero(node, graph)) return { kind: 'passes', padding: true };
  const scale = rescaled(node, graph, facts);
  if (scale) return scale;
  const { quant } = row;
  if (quant.kind === 'float') return { kind: 'float', why: `${node.op} has no integer kernel` };
  const first = facts.get(node.inputs[0] ?? '');
  if (first && first.dtype !== 'float32') return { kind: 'float', why: `it works on ${first.dtype}` };
  if (quant.kind === 'passes') {
    if (CLAMPS[node.op]) return { kind: 'float', why: 'its limits are computed, or leave out 0' };
    return { kind: 'passes', padding: false };
  }
  if (quant.kind === 'own') return { kind: 'own' };

  const place = (slot: string | undefined): number =>
    slot === undefined ? -1 : node.inputs.findIndex((name, i) => name !== '' && slotAt(row.inputs, i) === slot);
  const input = place(quant.input);
  const weight = place(quant.weight);
  const tensor = graph.initializers.get(node.inputs[weight] ?? '');
  if (!tensor) return { kind: 'product', inputs: [input, weight] };
  if (tensor.dtype !== 'float32') return { kind: 'float', why: `its weight is ${tensor.dtype}` };
  if (tensor.dims.length < 2) return { kind: 'float', why: 'its weight is a vector' };
  if (graph.initializers.has(node.inputs[input]!)) return { kind: 'float', why: 'its input is a constant' };
  const rank = tensor.dims.length;
  const axis = quant.axis(attrsOf(row, node), rank);
  return {
    kind: 'weighted',
    input,
    weight,
    bias: place(quant.bias),
    biasSlot: row.inputs.findIndex((_, i) => quant.bias !== undefined && slotAt(row.inputs, i) === quant.bias),
    axis,
    product: rank === 2 || axis === rank - 1,
  };
}
