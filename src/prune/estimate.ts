/** What a cut network would cost, without cutting it: axes shrink by what goes, rows count again. */

import { costOf } from '../cost/cost.ts';
import { isStatic } from '../graph/dim.ts';
import { factsOf } from '../graph/dtype.ts';
import type { Graph, Node } from '../graph/model.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { rowOf } from '../ops/index.ts';
import { attrsOf, bySlot, infer } from '../ops/infer.ts';
import type { Named, Row, StaticValue } from '../ops/op.ts';
import type { Group } from './group.ts';

export interface Size {
  /** Multiply-accumulates of one sample. */
  readonly macs: number;
  readonly parameters: number;
  /** Bytes of all weights and constants. */
  readonly bytes: number;
}

/** The size of a graph as it stands; symbols other than the batch count 1. */
export function sizeOfGraph(graph: Graph): Size {
  const { macs, parameters, weightBytes } = costOf(graph);
  return { macs, parameters, bytes: weightBytes };
}

interface Worker {
  readonly node: Node;
  readonly row: Row;
  readonly cost: Exclude<Row['cost'], 'none'>;
}

/** How much of an axis goes with each unit of a group, by value. */
export function shrinksOf(groups: readonly Group[]): Map<string, { group: number; axis: number; each: number }[]> {
  const shrinks = new Map<string, { group: number; axis: number; each: number }[]>();
  groups.forEach(({ places }, group) => {
    for (const { value, axis, each } of places) {
      const list = shrinks.get(value) ?? [];
      shrinks.set(value, list);
      list.push({ group, axis, each });
    }
  });
  return shrinks;
}

/** Prepares counting: the returned function tells the size when group i (in order) has `kept[i]` units left. */
export function estimator(graph: Graph, groups: readonly Group[]): (kept: ArrayLike<number>) => Size {
  const before = sizeOfGraph(graph);
  const inputs = Object.fromEntries(
    graph.inputs.flatMap(({ name, type }) =>
      type?.kind === 'tensor' && type.dims?.includes(null) ? [[name, type.dims.map((dim) => dim ?? 1)]] : [],
    ),
  );
  const facts = infer(graph, { symbols: costOf(graph).lengths, inputs });
  const shrinks = shrinksOf(groups);
  const countMacs = (worker: Worker, kept?: ArrayLike<number>): number => {
    const read = (name: string): StaticValue | undefined => {
      const value = facts.get(name) as StaticValue | undefined;
      if (!value || !kept) return value;
      return { ...value, dims: dimsOf(name, value.dims, kept) };
    };
    const { node, row, cost } = worker;
    const values = { ...bySlot(row.inputs, node.inputs.map(read)), ...bySlot(row.outputs, node.outputs.map(read)) };
    return cost(values as Named<StaticValue>, attrsOf(row, node)).macs;
  };
  const dimsOf = (name: string, dims: readonly number[], kept: ArrayLike<number>): readonly number[] => {
    const list = shrinks.get(name);
    if (!list) return dims;
    const now = [...dims];
    for (const { group, axis, each } of list) now[axis]! -= (groups[group]!.size - kept[group]!) * each;
    return now;
  };
  const workers = graph.nodes.flatMap((node): Worker[] => {
    const row = rowOf(node);
    if (!row || row.cost === 'none') return [];
    const touched = [...node.inputs, ...node.outputs].filter((name) => name !== '');
    if (!touched.every((name) => isStatic(facts.get(name)?.dims)) || !touched.some((name) => shrinks.has(name)))
      return [];
    const worker = { node, row, cost: row.cost };
    return countMacs(worker) > 0 ? [worker] : [];
  });
  const fixed = before.macs - workers.reduce((sum, worker) => sum + countMacs(worker), 0);
  const weights = [...shrinks.keys()].flatMap((name): [string, Tensor][] =>
    graph.initializers.has(name) ? [[name, graph.initializers.get(name)!]] : [],
  );
  return (kept) => {
    let { parameters, bytes } = before;
    for (const [name, { dtype, dims }] of weights) {
      const less = sizeOf(dims) - sizeOf(dimsOf(name, dims, kept));
      const { float, bits } = factsOf(dtype);
      if (float || dtype.endsWith('int8') || dtype.endsWith('int4')) parameters -= less;
      bytes -= (less * bits) / 8;
    }
    return { macs: fixed + workers.reduce((sum, worker) => sum + countMacs(worker, kept), 0), parameters, bytes };
  };
}
