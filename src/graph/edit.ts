/** Small edits that every rewrite is made of. Each returns a new graph and shares what it did not touch. */

import { PareError } from '../base/error.ts';
import type { DType } from './dtype.ts';
import type { Attr, Dim, Graph, Node, ValueInfo } from './model.ts';
import type { Tensor } from './tensor.ts';

/** The node that makes each value. */
export function producers(graph: Graph): Map<string, Node> {
  const made = new Map<string, Node>();
  for (const node of graph.nodes) for (const output of node.outputs) if (output) made.set(output, node);
  return made;
}

/** The nodes that read each value, sub-graphs included; graph outputs are not counted. */
export function consumers(graph: Graph): Map<string, Node[]> {
  const read = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const name of new Set(readsOf(node))) {
      const users = read.get(name);
      if (users) users.push(node);
      else read.set(name, [node]);
    }
  }
  return read;
}

/** Every value a node reads: its inputs, and what its sub-graphs take from the scopes around them. */
export function readsOf(node: Node): string[] {
  const names = node.inputs.filter((name) => name !== '');
  for (const attr of Object.values(node.attrs)) {
    if (attr.kind === 'graph') names.push(...freeNames(attr.value));
    if (attr.kind === 'graphs') for (const graph of attr.value) names.push(...freeNames(graph));
  }
  return names;
}

/** Values that a sub-graph reads but does not define. */
function freeNames(graph: Graph): string[] {
  const own = new Set([...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()]);
  for (const node of graph.nodes) for (const output of node.outputs) own.add(output);
  const free = new Set<string>();
  for (const node of graph.nodes) for (const name of readsOf(node)) if (!own.has(name)) free.add(name);
  for (const { name } of graph.outputs) if (!own.has(name)) free.add(name);
  return [...free];
}

/** Every name in use, for making new ones. */
export function namesOf(graph: Graph): Set<string> {
  const names = new Set<string>([...graph.initializers.keys(), ...graph.values.keys()]);
  for (const { name } of [...graph.inputs, ...graph.outputs]) names.add(name);
  for (const node of graph.nodes) {
    for (const name of [node.name, ...node.inputs, ...node.outputs]) names.add(name);
    for (const attr of Object.values(node.attrs)) {
      const inner = attr.kind === 'graph' ? [attr.value] : attr.kind === 'graphs' ? attr.value : [];
      for (const graph of inner) for (const name of namesOf(graph)) names.add(name);
    }
  }
  return names;
}

/** A maker of names that are not in `taken`; each new name is taken at once. */
export function freshNames(taken: Set<string>): (wish: string) => string {
  return (wish) => {
    let name = wish;
    for (let i = 1; taken.has(name) || name === ''; i++) name = `${wish}_${i}`;
    taken.add(name);
    return name;
  };
}

/**
 * The nodes in topological order, otherwise as they stand.
 *
 * Throws   graph/cycle naming a node on it.
 */
export function sortNodes(graph: Graph): Graph {
  const made = producers(graph);
  const state = new Map<Node, 'open' | 'done'>();
  const sorted: Node[] = [];
  // An explicit stack: deep chains (thousands of nodes) must not overflow JavaScript's.
  for (const root of graph.nodes) {
    if (state.has(root)) continue;
    const stack: { node: Node; reads: string[] }[] = [{ node: root, reads: readsOf(root) }];
    state.set(root, 'open');
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const name = top.reads.pop();
      if (name === undefined) {
        state.set(top.node, 'done');
        sorted.push(top.node);
        stack.pop();
        continue;
      }
      const maker = made.get(name);
      if (!maker || state.get(maker) === 'done') continue;
      if (state.get(maker) === 'open') {
        throw new PareError('graph/cycle', `Node "${maker.name || maker.op}" depends on its own output.`, {
          where: `${maker.name || maker.op} via value "${name}"`,
        });
      }
      state.set(maker, 'open');
      stack.push({ node: maker, reads: readsOf(maker) });
    }
  }
  return { ...graph, nodes: sorted };
}

/** Without the nodes and initialisers that no output needs. (ONNX Runtime runs dead nodes of training graphs.) */
export function removeDead(graph: Graph): Graph {
  const needed = new Set(graph.outputs.map(({ name }) => name));
  const kept: Node[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i]!;
    if (!node.outputs.some((output) => needed.has(output))) continue;
    kept.push(node);
    for (const name of readsOf(node)) needed.add(name);
  }
  const initializers = new Map([...graph.initializers].filter(([name]) => needed.has(name)));
  const values = new Map([...graph.values].filter(([name]) => needed.has(name)));
  const inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name) || needed.has(name));
  return { ...graph, nodes: kept.reverse(), initializers, values, inputs };
}

/**
 * Every reading of the values named on the left reads those on the right instead, along chains of such names.
 * Graph outputs keep their names: a maker of a renamed output is renamed back by the caller (see `redirect`).
 */
export function renameReads(nodes: readonly Node[], names: ReadonlyMap<string, string>): Node[] {
  if (names.size === 0) return [...nodes];
  const final = (name: string): string => {
    let now = name;
    for (let next = names.get(now); next !== undefined && next !== now; next = names.get(now)) now = next;
    return now;
  };
  return nodes.map((node) => readAs(node, final));
}

/** The node with each value that it reads under another name. */
export function readAs(node: Node, final: (name: string) => string): Node {
  const inputs = node.inputs.map(final);
  const attrs = renameInGraphs(node, final);
  return attrs || inputs.some((name, i) => name !== node.inputs[i])
    ? { ...node, inputs, attrs: attrs ?? node.attrs }
    : node;
}

/** The attributes with outer-scope names replaced inside sub-graphs, or undefined when nothing changes. */
function renameInGraphs(node: Node, final: (name: string) => string): Node['attrs'] | undefined {
  const touched = Object.entries(node.attrs).filter(
    ([, attr]) => attr.kind === 'graph' && freeNames(attr.value).some((name) => final(name) !== name),
  );
  if (touched.length === 0) return undefined;
  const attrs = { ...node.attrs };
  for (const [key, attr] of touched) {
    if (attr.kind !== 'graph') continue;
    const names = new Map(freeNames(attr.value).map((name) => [name, final(name)]));
    const outputs = attr.value.outputs.map((info) => ({ ...info, name: names.get(info.name) ?? info.name }));
    attrs[key] = {
      kind: 'graph',
      value: {
        ...attr.value,
        nodes: attr.value.nodes.map((inner) => readAs(inner, (name) => names.get(name) ?? name)),
        outputs,
      },
    };
  }
  return attrs;
}

/** The node with its sub-graphs changed; the node itself where it has none. */
export function inGraphs(node: Node, change: (graph: Graph) => Graph): Node {
  const attrs = Object.entries(node.attrs);
  if (!attrs.some(([, { kind }]) => kind === 'graph' || kind === 'graphs')) return node;
  const changed = attrs.map(([key, attr]): [string, Attr] => {
    if (attr.kind === 'graph') return [key, { kind: 'graph', value: change(attr.value) }];
    return [key, attr.kind === 'graphs' ? { kind: 'graphs', value: attr.value.map(change) } : attr];
  });
  return { ...node, attrs: Object.fromEntries(changed) };
}

/** The graph with initialisers added or replaced. */
export const withInitializers = (graph: Graph, added: Iterable<readonly [string, Tensor]>): Graph => ({
  ...graph,
  initializers: new Map([...graph.initializers, ...added]),
});

/** A ValueInfo for a tensor. */
export const valueInfo = (name: string, dtype: DType, dims?: readonly Dim[]): ValueInfo => ({
  name,
  type: { kind: 'tensor', dtype, ...(dims && { dims }) },
});
