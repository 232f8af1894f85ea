/** A step whose graph stops where ranks must add up: the stretches between, each a graph of its own. */

import { freshNames, namesOf, readsOf, valueInfo } from '../../graph/edit.ts';
import type { Graph, Node } from '../../graph/model.ts';
import { infer } from '../../ops/infer.ts';

export interface Segment {
  readonly graph: Graph;
  /** Sums to make behind it: the value that it gave, and the name under which later ones read it. */
  readonly sums: readonly { readonly from: string; readonly to: string }[];
}

const isSum = (node: Node): boolean => node.op === 'RankSum' && node.domain === 'pare';

/** Sums are made in place: a value that others read too is copied first. */
function withOwnTerms(graph: Graph): Graph {
  const fresh = freshNames(namesOf(graph));
  const readers = new Map<string, number>();
  const count = (name: string): void => void readers.set(name, (readers.get(name) ?? 0) + 1);
  for (const node of graph.nodes) for (const name of new Set(readsOf(node))) count(name);
  for (const { name } of [...graph.inputs, ...graph.outputs]) count(name);
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const [from] = node.inputs;
    if (!isSum(node) || readers.get(from!) === 1) return [node];
    const own = fresh(`${from}_term`);
    const copy = { name: fresh('copy'), op: 'Identity', domain: '', inputs: [from!], outputs: [own], attrs: {} };
    return [copy, { ...node, inputs: [own] }];
  });
  return { ...graph, nodes };
}

/**
 * Cuts a graph at its sums over ranks. A node belongs to the first segment in which all that it reads is there.
 *
 * Every segment's outputs are what later ones, the sums or the graph itself need of it.
 */
export function segmentsOf(step: Graph): Segment[] {
  const graph = withOwnTerms(step);
  const facts = infer(graph);
  const level = new Map<string, number>();
  const levelOf = (node: Node): number => Math.max(0, ...readsOf(node).map((name) => level.get(name) ?? 0));
  const members: Node[][] = [[]];
  const sums: { from: string; to: string }[][] = [[]];
  for (const node of graph.nodes) {
    const at = levelOf(node);
    const next = isSum(node) ? at + 1 : at;
    while (members.length <= next) {
      members.push([]);
      sums.push([]);
    }
    if (isSum(node)) sums[at]!.push({ from: node.inputs[0]!, to: node.outputs[0]! });
    else members[at]!.push(node);
    for (const name of node.outputs) if (name !== '') level.set(name, next);
  }
  const wanted = new Set(graph.outputs.map(({ name }) => name));
  const info = (name: string) => {
    const { dtype, dims } = facts.get(name)!;
    return valueInfo(name, dtype ?? 'float32', dims);
  };
  const isEmpty = (s: number): boolean => members[s]!.length + sums[s]!.length === 0; // behind a last sum
  return members.flatMap((nodes, s): Segment[] => {
    if (isEmpty(s)) return [];
    const made = new Set(nodes.flatMap(({ outputs }) => outputs));
    const read = [...new Set(nodes.flatMap(readsOf))].filter((name) => name !== '' && !made.has(name));
    const later = new Set(
      members
        .slice(s + 1)
        .flat()
        .flatMap(readsOf),
    );
    for (const list of sums) for (const { from } of list) later.add(from);
    const given = [...made].filter((name) => name !== '' && (wanted.has(name) || later.has(name)));
    const segment = {
      graph: {
        ...graph,
        nodes,
        inputs: read.filter((name) => !graph.initializers.has(name)).map(info),
        initializers: new Map([...graph.initializers].filter(([name]) => read.includes(name))),
        values: new Map(),
        outputs: given.map(info),
      },
      sums: sums[s]!,
    };
    return [segment];
  });
}
