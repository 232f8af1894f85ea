/** What a node is to quantisation: its row's answer, read for one node of one graph. */

import type { Graph, Node } from '../graph/model.ts';
import { rowOf } from '../ops/index.ts';
import { attrsOf, type Facts, quantOf, slotAt } from '../ops/infer.ts';
import type { Row } from '../ops/op.ts';
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
  /** Integer kernel, each operand with a grid of its own; `rises` tells y of x where it never falls. */
  | { readonly kind: 'own'; readonly rises?: (x: number) => number }
  /** The same grid in and out; `padding` when it brings in zeros, which takes the zero point as its constant. */
  | { readonly kind: 'passes'; readonly padding: boolean }
  /** y = by · x with by > 0: the same integers on a grid that is so many times as wide. */
  | { readonly kind: 'rescales'; readonly input: number; readonly by: number }
  /** y = min(max(x, lo), hi). */
  | { readonly kind: 'clamps'; readonly to: Range }
  | { readonly kind: 'float'; readonly why: string };

/** The role of a node. Only float32 values are quantised. */
export function roleOf(node: Node, graph: Graph, facts: Facts): Role {
  const row = rowOf(node);
  if (!row) return { kind: 'float', why: `nothing is known of ${node.op}` };
  const quant = quantOf(row, node, graph);
  if (quant.kind === 'float') return { kind: 'float', why: quant.why ?? `${node.op} has no integer kernel` };
  const read = quant.kind === 'rescales' ? placeOf(node, row, quant.input) : 0;
  const first = facts.get(node.inputs[read] ?? '');
  if (first && first.dtype !== 'float32') return { kind: 'float', why: `it works on ${first.dtype}` };
  switch (quant.kind) {
    case 'clamps':
      return { kind: 'clamps', to: { lo: quant.lo, hi: quant.hi } };
    case 'rescales': {
      // A factor of more axes than x would give the result more axes too.
      const factor = facts.get(node.inputs[1 - read] ?? '');
      const isPlain = (factor?.dims.length ?? 0) <= (first?.dims.length ?? 0);
      return isPlain
        ? { kind: 'rescales', input: read, by: quant.by }
        : { kind: 'float', why: 'its factor has more axes than what it multiplies' };
    }
    case 'passes':
      return { kind: 'passes', padding: quant.padding ?? false };
    case 'own':
      return quant;
  }

  const place = (slot: string | undefined): number => (slot === undefined ? -1 : placeOf(node, row, slot));
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

/** The place of a slot among the node's inputs; −1 where it is left out. */
const placeOf = (node: Node, row: Row, slot: string): number =>
  node.inputs.findIndex((name, i) => name !== '' && slotAt(row.inputs, i) === slot);
