/** Two graphs side by side over the same inputs. */

import type { Graph, Node } from './model.ts';

/** Every name of the graph with a prefix, but for those in `shared`. Sub-graphs' own names are left; what they read from outside is renamed. */
export function prefixed(graph: Graph, prefix: string, shared: ReadonlySet<string>): Graph {
  const named = (name: string): string => (name === '' || shared.has(name) ? name : `${prefix}${name}`);
  const renameNode = (node: Node, own: ReadonlySet<string>): Node => {
    const outer = (name: string): string => (own.has(name) ? name : named(name));
    const attrs = Object.fromEntries(
      Object.entries(node.attrs).map(([key, attr]) => {
        if (attr.kind === 'graph') return [key, { ...attr, value: inside(attr.value, own) }];
        if (attr.kind === 'graphs') return [key, { ...attr, value: attr.value.map((inner) => inside(inner, own)) }];
        return [key, attr];
      }),
    );
    return { ...node, inputs: node.inputs.map(outer), outputs: node.outputs.map(outer), attrs };
  };
  const inside = (inner: Graph, around: ReadonlySet<string>): Graph => {
    const own = new Set([...around, ...inner.inputs.map(({ name }) => name), ...inner.initializers.keys()]);
    for (const node of inner.nodes) for (const output of node.outputs) own.add(output);
    const outer = (name: string): string => (own.has(name) ? name : named(name));
    return {
      ...inner,
      nodes: inner.nodes.map((node) => renameNode(node, own)),
      outputs: inner.outputs.map((info) => ({ ...info, name: outer(info.name) })),
    };
  };
  const nothing = new Set<string>();
  return {
    ...graph,
    nodes: graph.nodes.map((node) => {
      const renamed = renameNode(node, nothing);
      return node.name ? { ...renamed, name: `${prefix}${node.name}` } : renamed;
    }),
    inputs: graph.inputs.map((info) => ({ ...info, name: named(info.name) })),
    outputs: graph.outputs.map((info) => ({ ...info, name: named(info.name) })),
    initializers: new Map([...graph.initializers].map(([name, tensor]) => [named(name), tensor])),
    values: new Map([...graph.values].map(([name, info]) => [named(name), { ...info, name: named(name) }])),
  };
}

/**
 * Both graphs as one: names of `other` carry the prefix, except for the inputs that both are fed. Outputs are those of
 * `graph`; the other's values are reached by their prefixed names.
 */
export function beside(graph: Graph, other: Graph, prefix: string): Graph {
  const fed = other.inputs.filter(({ name }) => !other.initializers.has(name)).map(({ name }) => name);
  const renamed = prefixed(other, prefix, new Set(fed));
  const known = new Set(graph.inputs.map(({ name }) => name));
  return {
    ...graph,
    nodes: [...graph.nodes, ...renamed.nodes],
    inputs: [...graph.inputs, ...renamed.inputs.filter(({ name }) => !known.has(name))],
    initializers: new Map([...graph.initializers, ...renamed.initializers]),
    values: new Map([...graph.values, ...renamed.values]),
  };
}
