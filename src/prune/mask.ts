/** The network as it would be if channels were zero: what a cut must equal. */

import { isFloat } from '../graph/dtype.ts';
import { consumers, freshNames, namesOf, renameReads } from '../graph/edit.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { sizeOf, type Tensor, tensor } from '../graph/tensor.ts';
import type { Facts } from '../ops/infer.ts';
import { zeroed } from './gather.ts';
import type { Solved, Units } from './group.ts';

/**
 * The model with zeros wherever these channels live: in every float weight and in every float value between nodes.
 *
 * Zeros in the weights alone would not do: a shift behind a zero filter, or Sigmoid(0) = ½, is not zero. So each value
 * that carries a channel passes a Where that lets the others through; integer tensors keep theirs, for the floats
 * that they become are zero. Shapes stay, and so do the names of inputs and outputs.
 */
export function mask(model: Model, { bound }: Solved, cuts: readonly Units[]): Model {
  const gone = positionsOf(cuts);
  const { graph } = model;
  const initializers = new Map<string, Tensor>(graph.initializers);
  for (const [name, byAxis] of gone) {
    let value = initializers.get(name);
    if (!value || !isFloat(value.dtype)) continue;
    for (const [axis, positions] of byAxis) value = zeroed(value, axis, positions);
    initializers.set(name, value);
  }
  return { ...model, graph: withGates({ ...graph, initializers }, gone, bound.concrete) };
}

type Gone = ReadonlyMap<string, ReadonlyMap<number, readonly number[]>>;

/** The positions that go, by value and axis. */
function positionsOf(cuts: readonly Units[]): Gone {
  const gone = new Map<string, Map<number, number[]>>();
  for (const { group, units } of cuts) {
    if (units.length === 0) continue;
    for (const { value, axis, each, positions } of group.places) {
      const byAxis = gone.get(value) ?? new Map<number, number[]>();
      gone.set(value, byAxis);
      const list = byAxis.get(axis) ?? [];
      byAxis.set(axis, list);
      for (const unit of units) for (let k = 0; k < each; k++) list.push(positions[unit * each + k]!);
    }
  }
  return gone;
}

/** A Where behind every float value that carries a channel; its readers (and the graph's outputs) read what it lets through. */
function withGates(graph: Graph, gone: Gone, facts: Facts): Graph {
  const fresh = freshNames(namesOf(graph));
  const initializers = new Map(graph.initializers);
  const readers = consumers(graph);
  const returned = new Set(graph.outputs.map(({ name }) => name));
  const nodes: Node[] = [];
  const renamed = new Map<string, string>();
  for (const node of graph.nodes) {
    const [read] = renameReads([node], renamed);
    const gates: Node[] = [];
    const outputs = node.outputs.map((name) => {
      const byAxis = gone.get(name);
      const fact = facts.get(name);
      if (!byAxis || !fact || !isFloat(fact.dtype) || !(readers.has(name) || returned.has(name))) return name;
      // A returned value keeps its name behind the gate; the maker's output is renamed instead.
      const raw = returned.has(name) ? fresh(`${name}_raw`) : name;
      let now = raw;
      const entries = [...byAxis];
      entries.forEach(([axis, positions], i) => {
        const dims = fact.dims.map((dim, at) => (at === axis ? (dim as number) : 1));
        const open = new Uint8Array(sizeOf(dims)).fill(1);
        for (const position of positions) open[position] = 0;
        const [gate, zero] = [fresh(`${name}_open`), fresh(`${name}_zero`)];
        initializers.set(gate, tensor('bool', dims, open));
        initializers.set(zero, tensor(fact.dtype, [], [0]));
        const out = i === entries.length - 1 && returned.has(name) ? name : fresh(`${name}_masked`);
        gates.push({ op: 'Where', domain: '', name: out, inputs: [gate, now, zero], outputs: [out], attrs: {} });
        now = out;
      });
      if (raw === name) renamed.set(name, now);
      return raw;
    });
    nodes.push({ ...read!, outputs }, ...gates);
  }
  return { ...graph, nodes, initializers, values: new Map() };
}
