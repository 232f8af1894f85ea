/** A graph that goes forward and back as two: what makes the value that is handed on, and the rest. */

import { isStatic } from '../../graph/dim.ts';
import type { DType } from '../../graph/dtype.ts';
import { producers, readsOf, valueInfo } from '../../graph/edit.ts';
import type { Graph, Node } from '../../graph/model.ts';
import { infer } from '../../ops/infer.ts';

/** Values by name, with what memory they need. */
export type Kept = ReadonlyMap<string, { readonly dtype: DType; readonly dims: readonly number[] }>;

/**
 * `forward` ends with `gives`, an output of the graph, and leaves what the other nodes read of it. `shared` values lie in memory that
 * both halves see, and are not kept a second time.
 */
export function splitAt(
  graph: Graph,
  gives: string,
  shared: ReadonlySet<string>,
): { forward: Graph; backward: Graph; kept: Kept } {
  const maker = producers(graph);
  const there = new Set<Node>();
  const enter = (name: string): void => {
    const node = maker.get(name);
    if (!node || there.has(node)) return;
    there.add(node);
    readsOf(node).forEach(enter);
  };
  enter(gives);
  const facts = infer(graph);
  const info = (name: string) => {
    const { dtype = 'float32', dims } = facts.get(name)!;
    return valueInfo(name, dtype, dims);
  };
  const nodes = [
    graph.nodes.filter((node) => there.has(node)),
    graph.nodes.filter((node) => !there.has(node)),
  ] as const;
  const made = new Set(nodes[0].flatMap(({ outputs }) => outputs));
  const wantedBack = new Set(nodes[1].flatMap(readsOf).filter((name) => made.has(name)));
  const kept = new Map(
    [...wantedBack].flatMap((name) => {
      const { dtype = 'float32', dims } = facts.get(name)!;
      return shared.has(name) || !isStatic(dims) ? [] : [[name, { dtype, dims }] as const];
    }),
  );
  const half = (own: readonly Node[], outputs: readonly string[], given: readonly string[]): Graph => {
    const read = new Set(own.flatMap(readsOf));
    return {
      ...graph,
      nodes: own,
      inputs: [...graph.inputs.filter(({ name }) => read.has(name)), ...given.map(info)],
      initializers: new Map([...graph.initializers].filter(([name]) => read.has(name))),
      values: new Map(),
      outputs: outputs.map(info),
    };
  };
  const asked = graph.outputs.map(({ name }) => name).filter((name) => name !== gives);
  const isThere = (name: string): boolean => made.has(name);
  return {
    forward: half(nodes[0], [...new Set([gives, ...asked.filter(isThere), ...kept.keys()])], []),
    backward: half(
      nodes[1],
      asked.filter((name) => !isThere(name)),
      [...wantedBack],
    ),
    kept,
  };
}
