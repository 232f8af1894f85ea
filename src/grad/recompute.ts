/**
 * Gradient checkpointing as a rewrite: what the slopes read of the forward pass is worked out a second time, late, instead of being
 * kept from the first.
 *
 *   forward nodes, in order, are cut into k segments of about equal bytes; what crosses a cut is kept (a checkpoint)
 *   where the slopes first read a segment's inner values, the nodes that make them are repeated from its checkpoints
 *
 * Memory falls from the sum of all activations to the checkpoints and the largest segment; the forward pass is paid up to twice.
 * Source   Chen et al. 2016, arXiv:1604.06174.
 */

import { isStatic } from '../graph/dim.ts';
import { byteLength } from '../graph/dtype.ts';
import { freshNames, namesOf, producers } from '../graph/edit.ts';
import type { Graph, Node } from '../graph/model.ts';
import { sizeOf } from '../graph/tensor.ts';
import { type Draft, draft } from '../ops/builder.ts';
import type { Facts } from '../ops/infer.ts';
import { infer } from '../ops/infer.ts';
import type { StaticValue, Value } from '../ops/op.ts';

export interface RecomputeOptions {
  /** Segments. Default: the root of the number of forward nodes, which is best where all are alike. */
  readonly segments?: number;
}

/**
 * The joint graph of `differentiate` with parts of its forward pass repeated; `ends` are the values that the forward pass is for (the
 * loss, running statistics). Values and outputs are the same to the last bit.
 */
export function recompute(
  graph: Graph,
  ends: readonly string[],
  { segments }: RecomputeOptions = {},
  facts: Facts = infer(graph),
): Graph {
  const forward = ancestors(graph, ends);
  const count = segments ?? Math.max(2, Math.round(Math.sqrt(forward.length)));
  const segmentOf = cut(forward, count, facts);
  const inner = innerValues(graph, forward, segmentOf, count);
  if (inner.size === 0) return graph;

  const fresh = freshNames(namesOf(graph));
  const again = new Map([...inner.keys()].map((name) => [name, fresh(`${name}_again`)]));
  const known = new Map<string, Value>(facts);
  for (const [name, copy] of again) known.set(copy, { ...facts.get(name)!, name: copy });
  const building = draft({ ...graph, nodes: [] }, known, { taken: namesOf(graph) });
  const made = producers(graph);
  const isForward = new Set(forward);
  const done = new Set<string>();
  for (const node of graph.nodes) {
    const wanted = isForward.has(node) ? [] : node.inputs.filter((name) => inner.has(name) && !done.has(name));
    for (const segment of new Set(wanted.map((name) => inner.get(name)!))) {
      const names = wanted.filter((name) => inner.get(name) === segment);
      repeat(names, { building, made, inner, again, done, fresh, trigger: triggerOf(node, made, isForward) });
    }
    building.keep(isForward.has(node) ? node : renamed(node, again));
  }
  return building.finish();
}

const renamed = (node: Node, names: ReadonlyMap<string, string>): Node =>
  node.inputs.some((name) => names.has(name))
    ? { ...node, inputs: node.inputs.map((name) => names.get(name) ?? name) }
    : node;

/** The nodes that the values depend on, in the graph's order. */
function ancestors(graph: Graph, ends: readonly string[]): Node[] {
  const made = producers(graph);
  const seen = new Set<Node>();
  const stack = [...ends];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    const node = made.get(name);
    if (!node || seen.has(node)) continue;
    seen.add(node);
    stack.push(...node.inputs);
  }
  return graph.nodes.filter((node) => seen.has(node));
}

/** Node → number of its segment; the cuts are where another share of all bytes is reached. */
function cut(forward: readonly Node[], count: number, facts: Facts): Map<Node, number> {
  const bytesOf = (node: Node): number =>
    node.outputs.reduce((sum, name) => {
      const fact = facts.get(name);
      return sum + (fact && isStatic(fact.dims) ? byteLength(fact.dtype, sizeOf(fact.dims)) : 0);
    }, 0);
  const total = forward.reduce((sum, node) => sum + bytesOf(node), 0);
  let passed = 0;
  return new Map(
    forward.map((node) => {
      const segment = Math.min(count - 1, Math.floor((passed / Math.max(1, total)) * count));
      passed += bytesOf(node);
      return [node, segment];
    }),
  );
}

/** Value → segment, for all that no other segment and no output reads; the last segment's are needed at once and stay. */
function innerValues(
  graph: Graph,
  forward: readonly Node[],
  segmentOf: ReadonlyMap<Node, number>,
  count: number,
): Map<string, number> {
  const inner = new Map<string, number>();
  for (const node of forward) {
    const segment = segmentOf.get(node)!;
    if (segment < count - 1) for (const name of node.outputs) if (name !== '') inner.set(name, segment);
  }
  for (const node of forward) {
    for (const name of node.inputs) if (inner.get(name) !== segmentOf.get(node)) inner.delete(name);
  }
  for (const { name } of graph.outputs) inner.delete(name);
  return inner;
}

/** A value of the backward pass that a node reads: what is repeated for the node waits for it. */
const triggerOf = (node: Node, made: ReadonlyMap<string, Node>, isForward: ReadonlySet<Node>): string | undefined =>
  node.inputs.find((name) => {
    const maker = made.get(name);
    return maker !== undefined && !isForward.has(maker);
  });

interface Repeating {
  readonly building: Draft;
  readonly made: ReadonlyMap<string, Node>;
  readonly inner: ReadonlyMap<string, number>;
  readonly again: ReadonlyMap<string, string>;
  /** Inner values that have been repeated. */
  readonly done: Set<string>;
  readonly fresh: (wish: string) => string;
  readonly trigger: string | undefined;
}

/** Appends copies of the nodes that make these values, from checkpoints that count only from the trigger on. */
function repeat(names: readonly string[], { building, made, inner, again, done, fresh, trigger }: Repeating): void {
  const { g } = building;
  const delayed = new Map<string, string>();
  /** x + 0, where the 0 is known only once the trigger is. Else the engine would repeat at once, and nothing were gained. */
  const late = (name: string): string => {
    const value = g.of(name);
    const code = CODES[value.dtype];
    if (trigger === undefined || !made.has(name) || code === undefined) return name;
    const before = delayed.get(name);
    if (before) return before;
    const zero = g.Mul(g.Size(g.of(trigger)), 0);
    const later = g.Add(value, g.Cast(zero, { to: code }));
    delayed.set(name, later.name);
    return later.name;
  };
  const visit = (name: string): string => {
    if (!inner.has(name)) return name === '' ? name : late(name);
    if (done.has(name)) return again.get(name)!;
    const node = made.get(name)!;
    const inputs = node.inputs.map(visit);
    const outputs = node.outputs.map((output) => again.get(output) ?? (output === '' ? '' : spare(output)));
    for (const output of node.outputs) done.add(output);
    building.keep({ ...node, name: fresh(`${node.name}_again`), inputs, outputs });
    return again.get(name)!;
  };
  /** A copy's output that nobody reads, because the original is kept. */
  const spare = (output: string): string => fresh(`${output}_spare`);
  for (const name of names) visit(name);
}

/** Codes of the types that can wait, for Cast. */
const CODES: Readonly<Partial<Record<StaticValue['dtype'], number>>> = {
  float32: 1,
  float16: 10,
  float64: 11,
  int32: 6,
  int64: 7,
};
