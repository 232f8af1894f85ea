/**
 * Moves size between layers that follow each other, so that no channel needs a coarser grid than its neighbours.
 *
 *   y = W2 · f(W1 · x + b1) = (W2 S) · f(S⁻¹ W1 · x + S⁻¹ b1)     for f(s x) = s f(x), s > 0: ReLU, or nothing
 *   s_i = sqrt(r1_i / r2_i)          r = the largest |w| of channel i, of W1's rows and of W2's columns
 *
 * Both layers then have sqrt(r1 r2) in channel i. Repeated over all pairs until nothing moves by more than 1e-4.
 * Source   Nagel et al. 2019, arXiv:1906.04721, section 4.1.
 */

import { consumers, withInitializers } from '../graph/edit.ts';
import type { Model, Node } from '../graph/model.ts';
import { float32, floats, sizeOf } from '../graph/tensor.ts';
import { infer } from '../ops/infer.ts';
import { labelOf } from './plan.ts';
import { prepare } from './prepare.ts';
import { type Role, roleOf } from './role.ts';

export interface EqualizeOptions {
  /** Treat a clamp to [0, a] as a ReLU: it loses its upper end. Check the accuracy afterwards. Default false. */
  uncap?: boolean;
}

export interface EqualizeReport {
  /** Names of the layers of each pair. */
  readonly pairs: readonly (readonly [string, string])[];
  /** Rounds until nothing moved. */
  readonly rounds: number;
}

interface Layer {
  readonly node: Node;
  readonly role: Extract<Role, { kind: 'weighted' }>;
  readonly dims: readonly number[];
  readonly w: Float32Array;
  readonly b: Float32Array | undefined;
}

interface Pair {
  readonly first: Layer;
  readonly second: Layer;
  readonly channels: number;
  /** The clamps in between. */
  readonly between: readonly Node[];
}

const ROUNDS = 20;
const SETTLED = 1e-4;

/** The same function with evened-out channels. */
export function equalize(
  original: Model,
  { uncap = false }: EqualizeOptions = {},
): { model: Model; report: EqualizeReport } {
  const model = prepare(original);
  const { graph } = model;
  const facts = infer(graph);
  const readers = consumers(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const onlyReader = (name: string): Node | undefined => {
    const users = readers.get(name) ?? [];
    return users.length === 1 && !outputs.has(name) ? users[0] : undefined;
  };
  const layers = new Map<Node, Layer>();
  for (const node of graph.nodes) {
    const role = roleOf(node, graph, facts);
    if (role.kind !== 'weighted') continue;
    const weight = node.inputs[role.weight]!;
    const bias = role.bias < 0 ? undefined : graph.initializers.get(node.inputs[role.bias]!);
    const plain = (role.bias < 0 || bias?.dtype === 'float32') && (readers.get(weight)?.length ?? 0) === 1;
    if (!plain) continue;
    const { dims } = graph.initializers.get(weight)!;
    layers.set(node, {
      node,
      role,
      dims,
      w: floats(graph.initializers.get(weight)!).slice(),
      b: bias && floats(bias).slice(),
    });
  }
  const pairs: Pair[] = [];
  for (const first of layers.values()) {
    const between: Node[] = [];
    let next = onlyReader(first.node.outputs[0]!);
    for (; next; next = onlyReader(next.outputs[0]!)) {
      const role = roleOf(next, graph, facts);
      if (role.kind !== 'clamps' || role.to.lo !== 0 || (role.to.hi < Number.POSITIVE_INFINITY && !uncap)) break;
      between.push(next);
    }
    const second = next && layers.get(next);
    const channels = first.dims[first.role.axis]!;
    if (!second || second.node.inputs[second.role.input] !== (between.at(-1) ?? first.node).outputs[0]) continue;
    if (first.b && first.b.length !== channels) continue;
    if (columnsOf(second, channels)) pairs.push({ first, second, channels, between });
  }
  let rounds = 0;
  for (let moved = Number.POSITIVE_INFINITY; moved > SETTLED && rounds < ROUNDS && pairs.length > 0; rounds++) {
    moved = pairs.reduce((most, pair) => Math.max(most, evenOut(pair)), 0);
  }
  const changed = new Map(
    pairs.flatMap(({ first, second }) =>
      [first, second].flatMap(({ node, role, dims, w, b }) => [
        [node.inputs[role.weight]!, float32(dims, w)] as const,
        ...(b
          ? [[node.inputs[role.bias]!, float32(graph.initializers.get(node.inputs[role.bias]!)!.dims, b)] as const]
          : []),
      ]),
    ),
  );
  // A capped clamp becomes one without its cap: its third input is the upper end.
  const capped = new Set(pairs.flatMap(({ between }) => between.filter((node) => node.inputs.length > 2)));
  const nodes = graph.nodes.map((node) => (capped.has(node) ? { ...node, inputs: node.inputs.slice(0, 2) } : node));
  return {
    model: { ...model, graph: { ...withInitializers(graph, changed), nodes } },
    report: { pairs: pairs.map(({ first, second }) => [labelOf(first.node), labelOf(second.node)]), rounds },
  };
}

/** How the second layer's weight is laid out by input channel, or undefined when the channels do not match up. */
function columnsOf({ role, dims }: Layer, channels: number): { outer: number; inner: number } | undefined {
  const lane = role.axis === 0 ? 1 : 0;
  if (dims[lane] === channels) {
    return { outer: sizeOf(dims.slice(0, lane)), inner: sizeOf(dims.slice(lane + 1)) };
  }
  // A depthwise convolution: input channel i is output channel i.
  const isDepthwise = !role.product && dims[1] === 1 && dims[0] === channels;
  return isDepthwise ? { outer: 1, inner: sizeOf(dims.slice(1)) } : undefined;
}

/** One step on one pair; returns the largest |log2 s|. */
function evenOut({ first, second, channels }: Pair): number {
  const rows = {
    inner: sizeOf(first.dims.slice(first.role.axis + 1)),
    outer: sizeOf(first.dims.slice(0, first.role.axis)),
  };
  const columns = columnsOf(second, channels)!;
  const each = (
    w: Float32Array,
    { inner, outer }: { inner: number; outer: number },
    c: number,
    f: (at: number) => void,
  ): void => {
    for (let o = 0; o < outer; o++) {
      const from = (o * channels + c) * inner;
      for (let at = from; at < from + inner && at < w.length; at++) f(at);
    }
  };
  let moved = 0;
  for (let c = 0; c < channels; c++) {
    let [r1, r2] = [0, 0];
    each(first.w, rows, c, (at) => {
      r1 = Math.max(r1, Math.abs(first.w[at]!));
    });
    each(second.w, columns, c, (at) => {
      r2 = Math.max(r2, Math.abs(second.w[at]!));
    });
    if (r1 === 0 || r2 === 0) continue;
    const s = Math.sqrt(r1 / r2);
    each(first.w, rows, c, (at) => {
      first.w[at]! /= s;
    });
    if (first.b) first.b[c]! /= s;
    each(second.w, columns, c, (at) => {
      second.w[at]! *= s;
    });
    moved = Math.max(moved, Math.abs(Math.log2(s)));
  }
  return moved;
}
