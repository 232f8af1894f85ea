/** What the rows answer when they are asked how channels pass their nodes, and what that protects. */

import { readsOf } from '../graph/edit.ts';
import { feedsOf, type Graph, type Node } from '../graph/model.ts';
import { rowOf } from '../ops/index.ts';
import { attrsOf, bySlot } from '../ops/infer.ts';
import type { Axis, Link } from '../ops/link.ts';
import type { Named, Value } from '../ops/op.ts';
import type { Bound } from './bind.ts';
import type { Tie } from './group.ts';

export type Axes = ReadonlyMap<string, readonly Axis[]>;

/** The links of each node, or why it cannot be followed. */
export type Answers = ReadonlyMap<Node, readonly Link[] | string>;

/** The option taken of each choice; the first where none is named. */
export type Picks = ReadonlyMap<Link, number>;

/** What keeps channels from being cut. */
export interface Ward {
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

export interface Followed {
  readonly wards: readonly Ward[];
  readonly ties: readonly Tie[];
  readonly links: ReadonlyMap<Node, readonly Link[]>;
}

const showNode = (node: Node): string => `${node.op} "${node.name || (node.outputs[0] ?? '')}"`;
export const keyOf = (value: string, axis: number): string => `${value}\u0000${axis}`;

/** Asks every node once. */
export const answersOf = (graph: Graph, bound: Bound, axes: Axes): Answers =>
  new Map(graph.nodes.map((node) => [node, ask(node, bound, axes)]));

/** Graph inputs and outputs are a promise to the caller. */
export const portWards = (graph: Graph): Ward[] => [
  ...feedsOf(graph).map(({ name }) => ({ value: name, where: `input "${name}"`, why: 'a graph input', rank: 2 })),
  ...graph.outputs.map(({ name }) => ({ value: name, where: `output "${name}"`, why: 'a graph output', rank: 2 })),
];

export interface FollowOptions {
  readonly bound: Bound;
  readonly axes: Axes;
  readonly constants: ReadonlySet<string>;
  readonly answers: Answers;
  readonly picks: Picks;
}

/** The ties of all nodes under these picks, and what they leave protected. */
export function wardsAndTies(graph: Graph, { bound, axes, constants, answers, picks }: FollowOptions): Followed {
  const wards: Ward[] = [];
  const ties: Tie[] = [];
  const links = new Map<Node, readonly Link[]>();
  for (const node of graph.nodes) {
    const answer = answers.get(node)!;
    const named = node.inputs.concat(node.outputs).filter((name) => name !== '');
    const captured = readsOf(node).filter((name) => !node.inputs.includes(name));
    const ward = (value: string, why: string, rank: number, axis?: number): void =>
      void wards.push({ value, why, rank, where: showNode(node), ...(axis !== undefined && { axis }) });
    for (const name of captured) ward(name, 'read inside a sub-graph', 0);
    if (typeof answer === 'string') {
      for (const name of named) ward(name, answer, 0);
      continue;
    }
    const chosen = answer.flatMap((link) => (link.kind === 'choice' ? link.options[picks.get(link) ?? 0]! : [link]));
    links.set(node, chosen);
    const mentioned = new Set<string>();
    for (const link of chosen) {
      if (link.kind === 'tie') {
        for (const { value, axis } of [link.a, link.b]) mentioned.add(keyOf(value, axis));
        const { a, b, why, pairs, isInside = false } = link;
        ties.push({ node, a, b, why, pairs, isInside });
      } else if (link.kind === 'free' || link.kind === 'mixes') {
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
  return { wards: [...wards, ...openWards(bound, axes, ties)], ties, links };
}

/** Axes whose size is only known at run time, and what is read along with them. */
function openWards(bound: Bound, axes: Axes, ties: readonly Tie[]): Ward[] {
  const sizeOf = ({ value, axis }: Axis) => bound.symbolic.get(value)?.dims[axis];
  const isOpen = (axis: Axis): boolean => typeof sizeOf(axis) !== 'number';
  // "4*N" holds four channels however long N is.
  const isWholly = (axis: Axis): boolean => isOpen(axis) && !/^\d+\*/.test(`${sizeOf(axis)}`);
  return [
    ...[...axes.values()]
      .flat()
      .filter(isWholly)
      .map((axis) => ({ ...axis, where: axis.value, why: 'a size that is only known at run time', rank: 4 })),
    // How much of a fixed axis an open one takes is not known either: a table of positions, sliced to the length.
    ...ties
      .filter(({ a, b, isInside }) => isOpen(a) !== isOpen(b) && !isInside)
      .map(({ node, a, b }) => ({
        ...(isOpen(a) ? b : a),
        where: showNode(node),
        why: 'read as far as the run asks',
        rank: 4,
      })),
  ];
}

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
