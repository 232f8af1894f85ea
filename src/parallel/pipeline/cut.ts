/**
 * Cuts a graph into stages: stretches of its nodes between which a single float value passes, as even as can be.
 *
 *   minimise  max_s weight(stage s)     over cuts where one value crosses, and no weight is read on both sides
 */

import { PareError } from '../../base/error.ts';
import { costOf } from '../../cost/cost.ts';
import { isStatic } from '../../graph/dim.ts';
import { readsOf, valueInfo } from '../../graph/edit.ts';
import type { Graph, Node } from '../../graph/model.ts';
import { sizeOf } from '../../graph/tensor.ts';
import { type Facts, infer } from '../../ops/infer.ts';

export interface Stage {
  /** Its nodes, and what they read: the value that comes in, feeds, weights. Its output is what it hands on (or the loss). */
  readonly graph: Graph;
  /** The value from the stage before; absent in the first. */
  readonly takes?: string;
  /** The value for the stage behind, or, in the last, the loss. */
  readonly gives: string;
  /** Weights that its nodes read. */
  readonly weights: readonly string[];
  /** Its share of what the cut balances. */
  readonly share: number;
}

/** A read or write of a value costs about as much as this many multiply-accumulates. */
const MACS_PER_ELEMENT = 8;

/** What a stage of nodes [from, to) weighs as the `stage`-th of all. */
export type Weigh = (from: number, to: number, stage: number) => number;

/** A place in front of node `at` where exactly one value crosses. */
export interface Place {
  readonly at: number;
  readonly value: string;
}

export interface CutOptions {
  /** Inputs that hold weights: they need not pass, each is read where it lies. */
  readonly weights: ReadonlySet<string>;
  /** The value that the last stage gives. */
  readonly output: string;
}

/**
 * The graph as `count` stages. Inputs that are no weights go to every stage that reads them.
 *
 * `weigh` says what is to be even; by default multiply-accumulates and the size of the outputs.
 * Throws   parallel/stages when the graph has too few places where one value crosses.
 */
export function cutStages(
  graph: Graph,
  { count, weigh, ...options }: CutOptions & { count: number; weigh?: Weigh },
): Stage[] {
  const facts = infer(graph);
  const places = placesOf(graph, options, facts);
  if (!(Number.isInteger(count) && count > 0) || places.length < count - 1) {
    throw new PareError('parallel/stages', `The model cannot be cut into ${count} stages.`, {
      expected: `1 to ${places.length + 1} stages`,
      got: `${count}`,
      hint: 'a stage ends where a single value passes; branches and shared weights stay together',
    });
  }
  const even = weigh ?? additive(costsOf(graph, facts));
  const cuts = balance(
    places.map(({ at }) => at),
    graph.nodes.length,
    count,
    even,
  );
  return stagesAt(
    graph,
    cuts.map((i) => places[i]!),
    { ...options, weigh: even },
    facts,
  );
}

/** The graph cut at every place: the stretches that stages are made of. */
export const stretchesOf = (graph: Graph, options: CutOptions): Stage[] =>
  stagesAt(graph, placesOf(graph, options), options);

/** Where the graph may be cut, in order. */
export function placesOf(graph: Graph, { weights, output }: CutOptions, facts: Facts = infer(graph)): Place[] {
  const { nodes } = graph;
  return crossings(nodes, weights, output).filter(({ at, value }) => {
    const fact = facts.get(value);
    return at > 0 && at < nodes.length && fact?.dtype === 'float32' && isStatic(fact.dims);
  });
}

function stagesAt(
  graph: Graph,
  cuts: readonly Place[],
  { weights, output, weigh = (from, to) => to - from }: CutOptions & { weigh?: Weigh },
  facts: Facts = infer(graph),
): Stage[] {
  const { nodes } = graph;
  const ends = [...cuts.map(({ at }) => at), nodes.length];
  const starts = [0, ...ends.slice(0, -1)];
  const weighed = ends.map((end, s) => weigh(starts[s]!, end, s));
  const total = weighed.reduce((sum, each) => sum + each, 0) || 1;
  return ends.map((end, s): Stage => {
    const takes = s === 0 ? undefined : cuts[s - 1]!.value;
    const gives = s === cuts.length ? output : cuts[s]!.value;
    const own = nodes.slice(starts[s], end);
    const read = new Set(own.flatMap(readsOf));
    const carried = takes === undefined ? [] : [infoOf(takes, facts)];
    return {
      graph: {
        ...graph,
        nodes: own,
        inputs: [...carried, ...graph.inputs.filter(({ name }) => read.has(name))],
        initializers: new Map([...graph.initializers].filter(([name]) => read.has(name))),
        values: new Map(),
        outputs: [infoOf(gives, facts)],
      },
      ...(takes !== undefined && { takes }),
      gives,
      weights: [...weights].filter((name) => read.has(name)),
      share: weighed[s]! / total,
    };
  });
}

const infoOf = (name: string, facts: Facts) => {
  const { dtype, dims } = facts.get(name)!;
  return valueInfo(name, dtype ?? 'float32', dims);
};

/** What each node costs, in multiply-accumulates: its own, and what it reads and writes. */
export function costsOf(graph: Graph, facts: Facts = infer(graph)): number[] {
  const { layers } = costOf(graph);
  return graph.nodes.map((node, i) => {
    const sizes = node.outputs.map((name) => {
      const dims = facts.get(name)?.dims;
      return isStatic(dims) ? sizeOf(dims) : 0;
    });
    return layers[i]!.macs + MACS_PER_ELEMENT * sizes.reduce((sum, size) => sum + size, 0);
  });
}

/** Weighs stages by the sum of what their nodes cost. */
export function additive(costs: readonly number[]): Weigh {
  const upTo = prefixSums(costs);
  return (from, to) => upTo[to]! - upTo[from]!;
}

export function prefixSums(costs: readonly number[]): number[] {
  const sums = [0];
  for (const cost of costs) sums.push(sums.at(-1)! + cost);
  return sums;
}

/** Every place in front of node `at` where exactly one value crosses, and no weight is read on both sides. */
function crossings(nodes: readonly Node[], weights: ReadonlySet<string>, output: string): Place[] {
  const made = new Set<string>();
  const lastRead = new Map<string, number>([[output, nodes.length]]);
  nodes.forEach((node, i) => {
    for (const name of node.outputs) made.add(name);
    for (const name of readsOf(node)) lastRead.set(name, Math.max(i, lastRead.get(name) ?? 0));
  });
  const alive = new Set<string>();
  const places: Place[] = [];
  nodes.forEach((node, i) => {
    const crossing = [...alive].filter((name) => lastRead.get(name)! >= i);
    const values = crossing.filter((name) => made.has(name));
    if (values.length === 1 && !crossing.some((name) => weights.has(name))) places.push({ at: i, value: values[0]! });
    for (const name of [...node.outputs, ...readsOf(node)]) {
      if ((lastRead.get(name) ?? -1) > i) alive.add(name);
      else alive.delete(name);
    }
  });
  return places;
}

/** Which of the places (ascending) to cut at so that the heaviest of `count` parts of `length` nodes is as light as can be. */
function balance(places: readonly number[], length: number, count: number, weigh: Weigh): number[] {
  if (count === 1) return [];
  // Of stages 0 … s, the last one ending at place j: the least possible weight of the heaviest, and the cuts that reach it.
  let row = places.map((at, j) => ({ worst: weigh(0, at, 0), cuts: [j] }));
  for (let stage = 1; stage < count - 1; stage++) {
    row = places.map((at, j) => {
      const options = row.slice(0, j).map(({ worst, cuts }, i) => ({
        worst: Math.max(worst, weigh(places[i]!, at, stage)),
        cuts: [...cuts, j],
      }));
      return options.reduce((a, b) => (b.worst < a.worst ? b : a), {
        worst: Number.POSITIVE_INFINITY,
        cuts: [] as number[],
      });
    });
  }
  const ends = row.map(({ worst, cuts }, j) => ({
    worst: Math.max(worst, weigh(places[j]!, length, count - 1)),
    cuts,
  }));
  return ends.reduce((a, b) => (b.worst < a.worst ? b : a)).cuts;
}
