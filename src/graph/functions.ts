/** Model-local functions: nodes that stand for a body of nodes. Inlined, they are ordinary nodes that every room knows. */

import { PareError } from '../base/error.ts';
import { freshNames, inGraphs, namesOf } from './edit.ts';
import type { Attr, Graph, LocalFunction, Model, Node } from './model.ts';

/** Functions call functions, but not themselves. */
const MAX_DEPTH = 100;

const keyOf = ({ domain, op, overload = '' }: Pick<Node, 'domain' | 'op' | 'overload'>): string =>
  `${domain}:${op}:${overload}`;

/**
 * The model with every call of a function replaced by the function's nodes; values inside get names of their own.
 *
 * A function that speaks another version of ai.onnx than the model stays a function.
 * Throws   graph/function-cycle for functions that call themselves.
 */
export function inlineFunctions(model: Model): Model {
  const { functions = [], ...rest } = model;
  const inlined = functions.filter(({ opsets }) => (opsets[''] ?? model.opsets['']) === model.opsets['']);
  if (inlined.length === 0) return model;
  const kept = functions.filter((one) => !inlined.includes(one));
  const bodies = new Map(inlined.map((one) => [keyOf(one), one]));
  const fresh = freshNames(namesOf(model.graph));
  const open = (nodes: readonly Node[], depth: number): Node[] =>
    nodes.flatMap((node) => {
      const body = bodies.get(keyOf(node));
      if (!body) return [inGraphs(node, (graph) => ({ ...graph, nodes: open(graph.nodes, depth) }))];
      if (depth > MAX_DEPTH) {
        throw new PareError('graph/function-cycle', `The function "${body.op}" calls itself.`, { where: body.op });
      }
      return open(bodyFor(node, body, fresh), depth + 1);
    });
  return {
    ...rest,
    opsets: Object.assign({}, ...inlined.map(({ opsets }) => opsets), model.opsets),
    graph: { ...model.graph, nodes: open(model.graph.nodes, 0) },
    ...(kept.length > 0 && { functions: kept }),
  };
}

/** The function's nodes with the caller's values and attributes. */
function bodyFor(caller: Node, body: LocalFunction, fresh: (wish: string) => string): Node[] {
  const prefix = caller.name || body.op;
  const names = new Map<string, string>([['', '']]);
  body.inputs.forEach((name, i) => void names.set(name, caller.inputs[i] ?? ''));
  // What a body hands through under its own name is copied to the caller's.
  const handed = body.outputs.flatMap((name, i) =>
    names.has(name) ? [[names.get(name)!, caller.outputs[i]] as const] : [],
  );
  body.outputs.forEach((name, i) => {
    if (!names.has(name) && caller.outputs[i]) names.set(name, caller.outputs[i]!);
  });
  const rename = (name: string): string => {
    const known = names.get(name);
    if (known !== undefined) return known;
    const now = fresh(`${prefix}_${name}`);
    names.set(name, now);
    return now;
  };
  const settle = (attrs: Node['attrs']): Node['attrs'] =>
    Object.fromEntries(
      Object.entries(attrs).flatMap(([key, attr]): [string, Attr][] => {
        if (attr.kind !== 'opaque' || attr.reference === undefined) return [[key, attr]];
        const given = caller.attrs[attr.reference] ?? body.defaults[attr.reference];
        return given ? [[key, given]] : [];
      }),
    );
  const nodesOf = (nodes: readonly Node[]): Node[] =>
    nodes.map((node) => {
      const { unknown: _, ...own } = node;
      const now: Node = {
        ...own,
        name: fresh(`${prefix}_${node.name || node.op}`),
        inputs: node.inputs.map(rename),
        outputs: node.outputs.map((name) => (name === '' ? '' : rename(name))),
        attrs: settle(node.attrs),
      };
      return inGraphs(now, graphOf);
    });
  const graphOf = (graph: Graph): Graph => {
    const renamed = <T extends { readonly name: string }>(list: readonly T[]): T[] =>
      list.map((one) => ({ ...one, name: rename(one.name) }));
    return {
      ...graph,
      inputs: renamed(graph.inputs),
      initializers: new Map([...graph.initializers].map(([name, weight]) => [rename(name), weight])),
      nodes: nodesOf(graph.nodes),
      outputs: renamed(graph.outputs),
      values: new Map(renamed([...graph.values.values()]).map((info) => [info.name, info])),
    };
  };
  const copies = handed.flatMap(([from, to]): Node[] =>
    to
      ? [{ op: 'Identity', domain: '', name: fresh(`${prefix}_Identity`), inputs: [from], outputs: [to], attrs: {} }]
      : [],
  );
  return [...nodesOf(body.nodes), ...copies];
}
