/** Runs of layers between two values: everything that leads from the one to the other, and nothing else. */

import { PareError } from '../../base/error.ts';
import { consumers, producers, readsOf } from '../../graph/edit.ts';
import { feedsOf, type Graph, type Node } from '../../graph/model.ts';

export interface Run {
  readonly from: string;
  readonly to: string;
  readonly nodes: ReadonlySet<Node>;
}

/** What runs are looked for in. */
export interface Ground {
  readonly graph: Graph;
  readonly made: ReadonlyMap<string, Node>;
  readonly read: ReadonlyMap<string, readonly Node[]>;
  readonly outputs: ReadonlySet<string>;
  /** Place of a node in the order. */
  readonly order: ReadonlyMap<Node, number>;
  /** Does the value follow from what the caller feeds? */
  readonly isFed: (name: string) => boolean;
}

export function groundOf(graph: Graph): Ground {
  const fed = new Set(feedsOf(graph).map(({ name }) => name));
  for (const node of graph.nodes)
    if (readsOf(node).some((name) => fed.has(name))) for (const output of node.outputs) fed.add(output);
  return {
    graph,
    made: producers(graph),
    read: consumers(graph),
    outputs: new Set(graph.outputs.map(({ name }) => name)),
    order: new Map(graph.nodes.map((node, i) => [node, i])),
    isFed: (name) => fed.has(name),
  };
}

/** Every value from which alone `to` follows, nearest first, each with the nodes between. */
export function* entries(ground: Ground, to: string): Generator<Run> {
  const { made, order, isFed } = ground;
  const nodes = new Set<Node>();
  // Values that are needed and not yet explained. The latest maker goes first, so that a lone value is a bottleneck.
  const open = new Set([to]);
  for (;;) {
    let latest: Node | undefined;
    for (const name of open) {
      const maker = made.get(name);
      if (!maker) continue;
      if (!latest || order.get(maker)! > order.get(latest)!) latest = maker;
    }
    if (!latest) return;
    for (const output of latest.outputs) open.delete(output);
    nodes.add(latest);
    for (const name of readsOf(latest)) if (isFed(name)) open.add(name);
    if (open.size === 1) yield { from: [...open][0]!, to, nodes: new Set(nodes) };
    if (open.size === 0) return;
  }
}

/** A value inside the run that something outside reads, or undefined when only `to` leaves it. */
export function leak({ to, nodes }: Run, { read, outputs }: Ground): string | undefined {
  for (const node of nodes) {
    for (const output of node.outputs) {
      if (output === '' || output === to) continue;
      if (outputs.has(output) || read.get(output)?.some((reader) => !nodes.has(reader))) return output;
    }
  }
  return undefined;
}

/**
 * The run between two values.
 *
 * Throws   compress/run when there is no such value, when `to` needs more than `from`, or when something inside the run
 *          is read outside.
 */
export function runBetween(ground: Ground, from: string, to: string): Run {
  const fault = (why: string, got: string): PareError =>
    new PareError('compress/run', `The layers from "${from}" to "${to}" cannot become one: ${why}.`, {
      where: `${from} → ${to}`,
      expected: 'one value goes in, one comes out',
      got,
    });
  if (!ground.made.has(to)) throw fault(`no node makes "${to}"`, to);
  for (const run of entries(ground, to)) {
    if (run.from !== from) continue;
    const outside = leak(run, ground);
    if (outside !== undefined) throw fault(`"${outside}" is read outside`, outside);
    return run;
  }
  throw fault(`"${to}" does not follow from "${from}" alone`, from);
}
