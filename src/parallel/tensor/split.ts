/**
 * One rank's part of a model: groups of channels are dealt out, so that every rank holds, computes and remembers its share.
 *
 *   a layer that makes the group     has its share of the output channels; the slope of what it reads is a sum over ranks
 *   layers that pass it on           work on the share alone
 *   a layer that reads the group     has its share of the input channels; its output is a sum over ranks, its bias added once
 *
 * A group is what pruning knows as one: the links of the rows say what belongs together. Two groups that meet in one layer are
 * not both split: its weights would need every pair of shares.
 */

import { PareError } from '../../base/error.ts';
import { isStatic } from '../../graph/dim.ts';
import { freshNames, namesOf, producers } from '../../graph/edit.ts';
import type { Graph, Model, Node } from '../../graph/model.ts';
import { sizeOf, zeros } from '../../graph/tensor.ts';
import { rowOf } from '../../ops/index.ts';
import { slotAt } from '../../ops/infer.ts';
import { modernize } from '../../ops/modern.ts';
import { leftAfter } from '../../prune/cut.ts';
import { cut, type Group, type Solved, solve } from '../../prune/index.ts';
import { blockOf } from '../collective.ts';
import type { Part } from '../part.ts';
import { partView } from './part-view.ts';

export interface SplitModel {
  readonly model: Model;
  /** Weights of which this rank has some positions only, by name. */
  readonly parts: ReadonlyMap<string, Part>;
  /** Zeros in place of a bias that another rank adds: they do not learn. */
  readonly silenced: ReadonlySet<string>;
  /** Share of the weights that is split. */
  readonly share: number;
}

/**
 * The part of rank `rank` of `ranks`, as the model that this rank trains.
 *
 * Throws   parallel/tensor when no layer can be split so.
 */
export function splitModel(model: Model, ranks: number, rank: number): SplitModel {
  const modern = modernize(model);
  const solved = solve(modern.graph);
  const groups = chooseGroups(modern.graph, solved, ranks);
  if (groups.length === 0) {
    throw new PareError('parallel/tensor', `No layer of this model can be split over ${ranks} ranks.`, {
      expected: `convolutions, dense layers or attention with at least ${ranks} inner channels`,
      hint: 'data parallel or a pipeline may still do',
    });
  }
  const cuts = groups.map((group) => {
    const [from, to] = blockOf(group.size, ranks, rank);
    return { group, units: Array.from({ length: group.size }, (_, i) => i).filter((i) => i < from || i >= to) };
  });
  const left = leftAfter(cuts);
  const own = cut(modern, solved, cuts, partView);
  const weights = modern.graph.initializers;
  const parts = new Map(
    [...left].flatMap(([name, axes]): [string, Part][] => {
      const whole = weights.get(name);
      return whole
        ? [[name, { of: name, dims: whole.dims, positions: whole.dims.map((_, axis) => axes.get(axis)) }]]
        : [];
    }),
  );
  const elements = (names: Iterable<string>): number =>
    [...names].reduce((sum, name) => sum + sizeOf(weights.get(name)!.dims), 0);
  const { graph, silenced } = withSums(own.graph, solved, groups, rank);
  return { model: { ...own, graph }, parts, silenced, share: elements(parts.keys()) / elements(weights.keys()) };
}

type Role = 'passes' | 'sums' | 'refuses';

/** What a node does with the channels of a group. */
function roleOf(node: Node, carries: (value: string) => boolean): Role | undefined {
  const row = rowOf(node);
  const isIn = node.inputs.some((name) => name !== '' && carries(name));
  const isOut = node.outputs.some((name) => name !== '' && carries(name));
  if (!isIn && !isOut) return undefined;
  if (isOut) return 'passes';
  if (typeof row?.quant !== 'object' || row.quant.kind !== 'weighted') return 'refuses';
  const { input } = row.quant;
  return carries(node.inputs[row.inputs.findIndex((_, i) => slotAt(row.inputs, i) === input)] ?? '')
    ? 'sums'
    : 'refuses';
}

const carriedBy = ({ places }: Group): ((value: string) => boolean) => {
  const values = new Set(places.map(({ value }) => value));
  return (value) => values.has(value);
};

/** Groups to split, the heaviest first: no two of them meet in one node. */
function chooseGroups(graph: Graph, { groups, bound }: Solved, ranks: number): Group[] {
  const weight = ({ places }: Group): number =>
    places.reduce((sum, { value }) => {
      const dims = bound.concrete.get(value)?.dims;
      return sum + (isStatic(dims) ? sizeOf(dims) : 0);
    }, 0);
  const able = groups.filter((group) => {
    const roles = graph.nodes.map((node) => roleOf(node, carriedBy(group)));
    return group.size >= ranks && !roles.includes('refuses') && roles.includes('sums');
  });
  const taken = new Set<Node>();
  return able
    .toSorted((a, b) => weight(b) - weight(a))
    .filter((group) => {
      const nodes = graph.nodes.filter((node) => roleOf(node, carriedBy(group)));
      if (nodes.some((node) => taken.has(node))) return false;
      for (const node of nodes) taken.add(node);
      return true;
    });
}

/** The graph with what must be summed over ranks marked. */
function withSums(
  graph: Graph,
  solved: Solved,
  groups: readonly Group[],
  rank: number,
): { graph: Graph; silenced: Set<string> } {
  const fresh = freshNames(namesOf(graph));
  const initializers = new Map(graph.initializers);
  const silenced = new Set<string>();
  const carriers = groups.map(carriedBy);
  const isSplit = (value: string): boolean => carriers.some((carries) => carries(value));
  const nodes: Node[] = [];
  const int = (value: number) => ({ kind: 'int' as const, value });
  const sum = (from: string, to: string, forward: number): Node => ({
    name: fresh(`sum_${to}`),
    op: 'RankSum',
    domain: 'pare',
    inputs: [from],
    outputs: [to],
    attrs: { forward: int(forward), backward: int(1 - forward) },
  });
  const shared = new Map<string, string>();
  /** A whole value that a split layer reads: its slope comes from all ranks. */
  const wholeFor = (value: string): string => {
    const known = shared.get(value);
    if (known !== undefined) return known;
    const name = fresh(`${value}_shared`);
    shared.set(value, name);
    nodes.push(sum(value, name, 0));
    return name;
  };
  const isFloat = (value: string): boolean => solved.bound.concrete.get(value)?.dtype === 'float32';
  // Roles are told by the nodes as they were solved; what the cut put in between has none.
  const solvedNode = producers(solved.graph);
  for (const node of graph.nodes) {
    const before = solvedNode.get(node.outputs.find((name) => name !== '') ?? '');
    if (!before) {
      nodes.push(node);
      continue;
    }
    const roles = carriers.map((carries) => roleOf(before, carries));
    if (roles.includes('passes')) {
      const inputs = node.inputs.map((name, at) =>
        name !== '' && !isSplit(before.inputs[at] ?? '') && isFloat(before.inputs[at] ?? '') ? wholeFor(name) : name,
      );
      nodes.push({ ...node, inputs });
    } else if (roles.includes('sums')) {
      const row = rowOf(node)!;
      const bias = (row.quant as { bias?: string }).bias;
      const inputs = node.inputs.map((name, at) => {
        if (rank === 0 || name === '' || slotAt(row.inputs, at) !== bias) return name;
        const tensor = initializers.get(name);
        if (!tensor)
          throw new PareError('parallel/tensor', `The bias of "${node.name}" is not a stored weight.`, {
            where: node.name,
          });
        const none = fresh(`${name}_elsewhere`);
        initializers.set(none, zeros(tensor.dtype, tensor.dims));
        silenced.add(none);
        return none;
      });
      const partial = fresh(`${node.outputs[0]}_partial`);
      nodes.push({ ...node, inputs, outputs: [partial] }, sum(partial, node.outputs[0]!, 1));
    } else nodes.push(node);
  }
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  for (const name of graph.initializers.keys()) if (!read.has(name)) initializers.delete(name);
  return { graph: { ...graph, nodes, initializers }, silenced };
}
