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
import type { Axis, Link } from '../ops/link.ts';
import type { Row } from '../ops/op.ts';
import { type Bound, bindGraph } from './bind.ts';
import { type Classes, classify } from './classify.ts';
import { answersOf, type Followed, type Picks, portWards, type Ward, wardsAndTies } from './follow.ts';

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
  readonly pairs: Extract<Link, { kind: 'tie' }>['pairs'];
  readonly isInside: boolean;
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

/**
 * Solves the links of a graph into groups of channels, and says what is protected and why.
 *
 * Where an op can be followed in ways that exclude each other (heads, or what lies inside a head), the usual one is
 * taken unless it leads to protected channels and another does not.
 */
export function solve(graph: Graph, { symbols = {}, cutPorts = false }: SolveOptions = {}): Solved {
  const bound = bindGraph(graph, symbols);
  const axes = axesOf(bound);
  const constants = constantsOf(graph);
  const answers = answersOf(graph, bound, axes);
  const ports: readonly Ward[] = cutPorts ? [] : portWards(graph);
  const attempt = (picks: Picks): State => {
    const found = wardsAndTies(graph, { bound, axes, constants, answers, picks });
    return { ...found, picks, classes: classify(graph, axes, found.ties, [...found.wards, ...ports]) };
  };
  const choices = [...answers.values()].flatMap((answer) =>
    typeof answer === 'string' ? [] : answer.filter(isChoice),
  );
  const optionOf = (link: Choosing, picks: Picks): readonly Link[] => link.options[picks.get(link) ?? 0]!;
  /** Other options wherever the taken ones lead to protected channels, one list of choices after the other. */
  const followed = (start: State, lists: readonly (readonly Choosing[])[]): State => {
    let best = start;
    for (const alike of lists) {
      for (let option = 0; option < alike[0]!.options.length; option++) {
        const stuck = alike.filter((link) => !has(optionOf(link, best.picks), 'open', best.classes));
        if (stuck.length === 0) break;
        if (!stuck.some((link) => has(link.options[option]!, 'shut', best.classes))) continue;
        const tried = attempt(new Map([...best.picks, ...stuck.map((link) => [link, option] as const)]));
        if (tried.classes.open > best.classes.open) best = tried;
      }
    }
    return best;
  };
  // Alike ones together first: layers that share a weight must be followed in the same way.
  const kinds = likeOnes(choices);
  const singles = kinds.filter(({ length }) => length > 1).flatMap((alike) => alike.map((link) => [link]));
  let best = followed(attempt(picksFor(choices, bound, 0)), [...kinds, ...singles]);
  const isStuck = (): boolean =>
    choices.some(
      (link) =>
        !has(optionOf(link, best.picks), 'open', best.classes) &&
        link.options.some((option) => has(option, 'shut', best.classes)),
    );
  // Where several must change at once (heads that lie in a batch of fixed size), all of them begin elsewhere.
  for (let start = 1; start < STARTS && isStuck(); start++) {
    const other = followed(attempt(picksFor(choices, bound, start)), kinds);
    if (other.classes.open > best.classes.open) best = followed(other, singles);
  }
  const { ties, links, classes } = best;
  return { graph, bound, ties, links, constants, groups: classes.groups(), protections: classes.protections };
}

/** What these picks lead to. */
interface State extends Followed {
  readonly picks: Picks;
  readonly classes: Classes;
}

type Choosing = Extract<Link, { kind: 'choice' }>;

const isChoice = (link: Link): link is Choosing => link.kind === 'choice';

/** Choices between the same axes of values of the same sizes. */
function likeOnes(choices: readonly Choosing[]): Choosing[][] {
  const show = (link: Link): string =>
    link.kind === 'tie' ? [link.a, link.b].map(({ axis, size }) => `${axis}:${size}`).join('~') : link.kind;
  const lists = new Map<string, Choosing[]>();
  for (const link of choices) {
    const key = link.options.map((option) => option.map(show).join()).join('|');
    lists.set(key, [...(lists.get(key) ?? []), link]);
  }
  return [...lists.values()];
}

/** Beginnings that are tried: the first option of every choice, the second, the third. */
const STARTS = 3;

/** Of each choice the n-th option, or the last, that does not go along an axis whose size is only known at run time, such as the batch. */
function picksFor(choices: readonly Choosing[], { symbolic }: Bound, n: number): Picks {
  const isFixed = ({ value, axis }: Axis): boolean => typeof symbolic.get(value)?.dims[axis] === 'number';
  const isUsable = (links: readonly Link[]): boolean =>
    links.every((link) => link.kind !== 'tie' || isFixed(link.a) || isFixed(link.b));
  return new Map(
    choices.map((link) => {
      const usable = link.options.flatMap((option, i) => (isUsable(option) ? [i] : []));
      return [link, usable[Math.min(n, usable.length - 1)] ?? 0];
    }),
  );
}

/** Does one of these links touch an axis in this state? */
const has = (links: readonly Link[], state: 'open' | 'shut', { stateOf }: Classes): boolean =>
  links.some((link) => link.kind === 'tie' && (stateOf(link.a) === state || stateOf(link.b) === state));

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

/** The axes of every value whose sizes are known. */
function axesOf({ concrete }: Bound): ReadonlyMap<string, readonly Axis[]> {
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
