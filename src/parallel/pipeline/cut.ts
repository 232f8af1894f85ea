/**
 * Cuts a graph into stages: stretches of its nodes between which a single float value passes, as even in cost as can be.
 *
 *   minimise  max_s cost(stage s)     over cuts where one value crosses, and no weight is read on both sides
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
  /** Share of the whole graph's cost. */
  readonly share: number;
}

/** A read or write of a value costs about as much as this many multiply-accumulates. */
const MACS_PER_ELEMENT = 8;

/**
 * The graph as `count` stages.
 *
 * `weights` are the inputs that hold weights: they need not pass, each is read where it lies. Other inputs go to every
 * stage that reads them. `output` is the value that the last stage gives.
 * `costs` are measured times of the nodes, in order; by default multiply-accumulates and the size of the outputs.
 * Throws   parallel/stages when the graph has too few places where one value crosses.
 */
export function cutStages(
  graph: Graph,
  {
    count,
    weights,
    output,
    costs,
  }: { count: number; weights: ReadonlySet<string>; output: string; costs?: readonly number[] },
): Stage[] {
  const facts = infer(graph);
  const { nodes } = graph;
  const before = prefixSums(costs ?? costsOf(graph, facts));
  const places = crossings(nodes, weights, output).filter(({ at, value }) => {
    const fact = facts.get(value);
    return at > 0 && at < nodes.length && fact?.dtype === 'float32' && isStatic(fact.dims);
  });
  if (!(Number.isInteger(count) && count > 0) || places.length < count - 1) {
    throw new PareError('parallel/stages', `The model cannot be cut into ${count} stages.`, {
      expected: `1 to ${places.length + 1} stages`,
      got: `${count}`,
      hint: 'a stage ends where a single value passes; branches and shared weights stay together',
    });
  }
  const cuts = balance(
    places.map(({ at }) => before[at]!),
    before[nodes.length]!,
    count,
  ).map((i) => places[i]!);
  const ends = [...cuts.map(({ at }) => at), nodes.length];
  return ends.map((end, s): Stage => {
    const from = s === 0 ? 0 : ends[s - 1]!;
    const takes = s === 0 ? undefined : cuts[s - 1]!.value;
    const gives = s === cuts.length ? output : cuts[s]!.value;
    const own = nodes.slice(from, end);
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
      share: (before[end]! - before[from]!) / (before[nodes.length]! || 1),
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

function prefixSums(costs: readonly number[]): number[] {
  const sums = [0];
  for (const cost of costs) sums.push(sums.at(-1)! + cost);
  return sums;
}

/** Every place in front of node `at` where exactly one value crosses, and no weight is read on both sides. */
function crossings(nodes: readonly Node[], weights: ReadonlySet<string>, output: string) {
  const made = new Set<string>();
  const lastRead = new Map<string, number>([[output, nodes.length]]);
  nodes.forEach((node, i) => {
    for (const name of node.outputs) made.add(name);
    for (const name of readsOf(node)) lastRead.set(name, Math.max(i, lastRead.get(name) ?? 0));
  });
  const alive = new Set<string>();
  const places: { at: number; value: string }[] = [];
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

/** Which of the places (costs up to each, ascending) to cut at so that the dearest of `count` parts is as cheap as can be. */
function balance(upTo: readonly number[], total: number, count: number): number[] {
  // least[j] = least possible dearest part when the last cut so far is at place j; chosen = the cuts that reach it.
  let row = upTo.map((cost, j) => ({ worst: cost, cuts: [j] }));
  for (let cut = 1; cut < count - 1; cut++) {
    row = upTo.map((cost, j) => {
      const options = row.slice(0, j).map(({ worst, cuts }, i) => ({
        worst: Math.max(worst, cost - upTo[i]!),
        cuts: [...cuts, j],
      }));
      return options.reduce((a, b) => (b.worst < a.worst ? b : a), {
        worst: Number.POSITIVE_INFINITY,
        cuts: [] as number[],
      });
    });
  }
  if (count === 1) return [];
  const ends = row.map(({ worst, cuts }, j) => ({ worst: Math.max(worst, total - upTo[j]!), cuts }));
  return ends.reduce((a, b) => (b.worst < a.worst ? b : a)).cuts;
}
