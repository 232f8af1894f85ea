/**
 * Which channels live and die together: the links of all rows, solved once per graph.
 *
 *   element  = one position along one axis of one value
 *   unit     = a connected set of elements under ties: one channel, wherever it lives
 *   group    = the units that touch the same axes, each equally often: interchangeable channels
 *
 * A unit is protected as soon as one of its elements is: nothing says then what cutting it would mean.
 * Source   Fang et al. 2023, "DepGraph: Towards Any Structural Pruning", arXiv:2301.12900 (groups); here per position.
 */

import { isStatic } from '../graph/dim.ts';
import { readsOf } from '../graph/edit.ts';
import { feedsOf, type Graph, type Node } from '../graph/model.ts';
import { rowOf } from '../ops/index.ts';
import { attrsOf, bySlot } from '../ops/infer.ts';
import type { Axis, Link } from '../ops/link.ts';
import type { Named, Row, Value } from '../ops/op.ts';
import { type Bound, bindGraph } from './bind.ts';
import { disjoint } from './disjoint.ts';

/** An axis of a value on which the units of a group lie. */
export interface Place {
  readonly value: string;
  readonly axis: number;
  /** Positions along this axis, those of other groups included. */
  readonly size: number;
  readonly isWeight: boolean;
  /** Positions that one unit takes. */
  readonly each: number;
  /** Unit u has the positions [u·each, (u+1)·each) of this list. */
  readonly positions: Int32Array;
}

export interface Group {
  readonly id: number;
  /** The first weight axis of the group, for people. */
  readonly name: string;
  /** Number of units. */
  readonly size: number;
  readonly places: readonly Place[];
}

/** Units of one group, by number. */
export interface Units {
  readonly group: Group;
  readonly units: readonly number[];
}

/** Weights that may not be cut along an axis, and why. */
export interface Protection {
  readonly why: string;
  /** The node (or port) that causes it. */
  readonly where: string;
  /** `weight[axis]`, and how many channels of it are concerned. */
  readonly weights: readonly { readonly value: string; readonly axis: number; readonly channels: number }[];
}

/** A tie between two axes, as a node declares it. */
export interface Tie {
  readonly node: Node;
  readonly a: Axis;
  readonly b: Axis;
  readonly why: string;
}

export interface Solved {
  readonly graph: Graph;
  readonly bound: Bound;
  readonly groups: readonly Group[];
  readonly protections: readonly Protection[];
  readonly ties: readonly Tie[];
  /** What each node answered; nodes that gave no answer are missing. */
  readonly links: ReadonlyMap<Node, readonly Link[]>;
  /** Values that do not depend on what is fed. */
  readonly constants: ReadonlySet<string>;
}

export interface SolveOptions {
  /** Sizes of symbolic dimensions that the graph insists on. */
  symbols?: Readonly<Record<string, number>>;
  /** May the axes of graph inputs and outputs be cut? Default false. */
  cutPorts?: boolean;
}

interface Ward {
  readonly value: string;
  /** All axes when undefined. */
  readonly axis?: number;
  readonly where: string;
  readonly why: string;
  /** Lower is told first. */
  readonly rank: number;
  /** Not worth telling: a kernel's own axes. */
  readonly isSilent?: boolean;
}

const showNode = (node: Node): string => `${node.op} "${node.name || (node.outputs[0] ?? '')}"`;
const keyOf = (value: string, axis: number): string => `${value}\u0000${axis}`;

/** Solves the links of a graph into groups of channels, and says what is protected and why. */
export function solve(graph: Graph, { symbols = {}, cutPorts = false }: SolveOptions = {}): Solved {
  const bound = bindGraph(graph, symbols);
  const axes = axesOf(bound);
  const constants = constantsOf(graph);
  const wards: Ward[] = [];
  const links = new Map<Node, readonly Link[]>();
  const ties: Tie[] = [];
  const joins: Extract<Link, { kind: 'tie' }>[] = [];

  for (const node of graph.nodes) {
    const answer = ask(node, bound, axes);
    const named = node.inputs.concat(node.outputs).filter((name) => name !== '');
    const captured = readsOf(node).filter((name) => !node.inputs.includes(name));
    const ward = (value: string, why: string, rank: number, axis?: number): void =>
      void wards.push({ value, why, rank, where: showNode(node), ...(axis !== undefined && { axis }) });
    for (const name of captured) ward(name, 'read inside a sub-graph', 0);
    if (typeof answer === 'string') {
      for (const name of named) ward(name, answer, 0);
      continue;
    }
    links.set(node, answer);
    const mentioned = new Set<string>();
    for (const link of answer) {
      if (link.kind === 'tie') {
        for (const { value, axis } of [link.a, link.b]) mentioned.add(keyOf(value, axis));
        joins.push(link);
        ties.push({ node, a: link.a, b: link.b, why: link.why });
      } else if (link.kind !== 'adjust') {
        mentioned.add(keyOf(link.axis.value, link.axis.axis));
        if (link.kind === 'mixes') ward(link.axis.value, link.why, 1, link.axis.axis);
      }
    }
    for (const name of named)
      for (const { axis } of axes.get(name) ?? [])
        if (!mentioned.has(keyOf(name, axis)))
          wards.push({
            value: name,
            axis,
            where: showNode(node),
            why: `${node.op} does not say what cutting this axis would mean`,
            rank: 3,
            isSilent: constants.has(name) && !node.inputs.every((input) => constants.has(input)),
          });
  }
  if (!cutPorts) {
    for (const { name } of feedsOf(graph))
      wards.push({ value: name, where: `input "${name}"`, why: 'a graph input', rank: 2 });
    for (const { name } of graph.outputs)
      wards.push({ value: name, where: `output "${name}"`, why: 'a graph output', rank: 2 });
  }
  const isOpen = ({ value, axis }: Axis): boolean => typeof bound.symbolic.get(value)?.dims[axis] !== 'number';
  for (const axis of [...axes.values()].flat()) {
    if (isOpen(axis)) wards.push({ ...axis, where: axis.value, why: 'a size that is only known at run time', rank: 4 });
  }
  // How much of a fixed axis an open one takes is not known either: a table of positions, sliced to the length.
  for (const { node, a, b } of ties) {
    if (isOpen(a) === isOpen(b)) continue;
    wards.push({ ...(isOpen(a) ? b : a), where: showNode(node), why: 'read as far as the run asks', rank: 4 });
  }
  return { graph, bound, ties, links, constants, ...classify(graph, axes, joins, wards) };
}

/** The row of a node that answers the same at every run; undefined for unknown ops and those that draw random numbers. */
export const repeats = (node: Node): Row | undefined => {
  const row = rowOf(node);
  return row && !('seed' in row.attrs) ? row : undefined;
};

/** Values that do not depend on what is fed: initialisers, and what is computed from them alone. */
function constantsOf(graph: Graph): Set<string> {
  const fed = new Set(feedsOf(graph).map(({ name }) => name));
  const constants = new Set([...graph.initializers.keys()].filter((name) => !fed.has(name)));
  for (const node of graph.nodes) {
    if (repeats(node) && readsOf(node).every((name) => constants.has(name)))
      for (const name of node.outputs) constants.add(name);
  }
  return constants;
}

type Axes = ReadonlyMap<string, readonly Axis[]>;

/** The axes of every value whose sizes are known. */
function axesOf({ concrete }: Bound): Axes {
  const axes = new Map<string, readonly Axis[]>();
  for (const [value, { dims }] of concrete) {
    if (isStatic(dims))
      axes.set(
        value,
        dims.map((size, axis) => ({ value, axis, size })),
      );
  }
  return axes;
}

/** The links of a node, or why it cannot be followed. */
function ask(node: Node, { symbolic }: Bound, axes: Axes): readonly Link[] | string {
  const row = rowOf(node);
  if (!row) return `Pare does not know ${node.domain ? `${node.domain}.` : ''}${node.op}`;
  if (row.couple === 'none') return `nothing says how channels pass ${node.op}`;
  const unknown = [...node.inputs, ...node.outputs].find((name) => name !== '' && !axes.has(name));
  if (unknown !== undefined) return `the shape of "${unknown}" is not known`;
  const inputs = node.inputs.map((name) => (name === '' ? undefined : axes.get(name)));
  const outputs = node.outputs.map((name) => (name === '' ? undefined : axes.get(name)));
  const values = node.inputs.map((name) => (name === '' ? undefined : symbolic.get(name)));
  if (values.some((value, i) => value === undefined && node.inputs[i] !== ''))
    return 'its shapes depend on what is fed';
  const named = { ...bySlot(row.inputs, inputs), ...bySlot(row.outputs, outputs) } as Named<readonly Axis[]>;
  try {
    return row.couple(named, attrsOf(row, node), bySlot(row.inputs, values) as Named<Value>);
  } catch (error) {
    return `its links could not be told (${error instanceof Error ? error.message : error})`;
  }
}

function classify(
  graph: Graph,
  axes: Axes,
  joins: readonly Extract<Link, { kind: 'tie' }>[],
  wards: readonly Ward[],
): Pick<Solved, 'groups' | 'protections'> {
  const pairs = [...axes.values()].flat();
  const start = new Map<string, number>();
  let count = 0;
  for (const { value, axis, size } of pairs) {
    start.set(keyOf(value, axis), count);
    count += size;
  }
  const sets = disjoint(count);
  const tied = new Set<string>();
  for (const { a, b, pairs: each } of joins) {
    const [keyA, keyB] = [keyOf(a.value, a.axis), keyOf(b.value, b.axis)];
    const [fromA, fromB] = [start.get(keyA)!, start.get(keyB)!];
    each((i, j) => sets.unite(fromA + i, fromB + j));
    tied.add(keyA).add(keyB);
  }

  // The first reason that reaches a set is the one that is told.
  const reason = new Map<number, Ward>();
  for (const ward of wards.toSorted((x, y) => x.rank - y.rank)) {
    for (const { value, axis, size } of axes.get(ward.value) ?? []) {
      if (ward.axis !== undefined && ward.axis !== axis) continue;
      const from = start.get(keyOf(value, axis))!;
      for (let i = from; i < from + size; i++) {
        const root = sets.find(i);
        if (!reason.has(root)) reason.set(root, ward);
      }
    }
  }

  const members = new Map<number, Map<number, number[]>>();
  const kept = new Map<string, { ward: Ward; weights: Map<string, Protection['weights'][number]> }>();
  pairs.forEach(({ value, axis, size }, pair) => {
    const key = keyOf(value, axis);
    const from = start.get(key)!;
    const isWeight = graph.initializers.has(value);
    for (let i = 0; i < size; i++) {
      const root = sets.find(from + i);
      const ward = reason.get(root);
      if (ward) {
        if (isWeight && size > 1 && tied.has(key) && !ward.isSilent) note(kept, ward, value, axis);
        continue;
      }
      const own = members.get(root) ?? new Map<number, number[]>();
      members.set(root, own);
      const places = own.get(pair);
      if (places) places.push(i);
      else own.set(pair, [i]);
    }
  });
  return {
    groups: groupsOf(graph, pairs, members),
    protections: [...kept.values()].map(({ ward: { why, where }, weights }) => ({
      why,
      where,
      weights: [...weights.values()],
    })),
  };
}

function note(
  kept: Map<string, { ward: Ward; weights: Map<string, Protection['weights'][number]> }>,
  ward: Ward,
  value: string,
  axis: number,
): void {
  const key = `${ward.where}\u0000${ward.why}`;
  const entry = kept.get(key) ?? { ward, weights: new Map() };
  kept.set(key, entry);
  const before = entry.weights.get(keyOf(value, axis))?.channels ?? 0;
  entry.weights.set(keyOf(value, axis), { value, axis, channels: before + 1 });
}

/** Units that touch the same axes equally often, together. */
function groupsOf(
  graph: Graph,
  pairs: readonly Axis[],
  members: ReadonlyMap<number, ReadonlyMap<number, readonly number[]>>,
): Group[] {
  const alike = new Map<string, ReadonlyMap<number, readonly number[]>[]>();
  for (const unit of members.values()) {
    if (![...unit.keys()].some((pair) => graph.initializers.has(pairs[pair]!.value))) continue;
    // The only channel of an axis cannot go.
    if ([...unit].some(([pair, { length }]) => length === pairs[pair]!.size)) continue;
    const signature = [...unit].map(([pair, { length }]) => `${pair}:${length}`).join(' ');
    const list = alike.get(signature);
    if (list) list.push(unit);
    else alike.set(signature, [unit]);
  }
  return [...alike.values()].map((units, id) => {
    const places = [...units[0]!.keys()].map((pair): Place => {
      const { value, axis, size } = pairs[pair]!;
      const each = units[0]!.get(pair)!.length;
      const positions = Int32Array.from(units.flatMap((unit) => unit.get(pair)!));
      return { value, axis, size, each, positions, isWeight: graph.initializers.has(value) };
    });
    const first = places.find(({ isWeight }) => isWeight)!;
    return { id, name: `${first.value}[${first.axis}]`, size: units.length, places };
  });
}
