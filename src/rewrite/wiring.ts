/** Nodes in order, with who makes a value and who reads it: the few changes that keep all three right. */

import { readsOf, renameReads } from '../graph/edit.ts';
import type { Node } from '../graph/model.ts';

export interface Wiring {
  /** In topological order, as they stand now. */
  readonly nodes: () => readonly Node[];
  readonly maker: (name: string) => Node | undefined;
  /** Those included whose sub-graphs read the value. */
  readonly readers: (name: string) => readonly Node[];
  /** Is the value read inside some node's sub-graph? */
  readonly isReadInside: (name: string) => boolean;
  /** Puts nodes where one stands. */
  readonly exchange: (node: Node, added: readonly Node[]) => void;
  readonly drop: (node: Node) => void;
  /** Every reader of `from` reads `to` instead. */
  readonly readInstead: (from: string, to: string) => void;
  /** The maker of `from` makes `to` instead, and all readers follow. */
  readonly renameMade: (from: string, to: string) => void;
}

export function wire(nodes: readonly Node[]): Wiring {
  const made = new Map<string, Node>();
  const read = new Map<string, Set<Node>>();
  let order = [...nodes];
  /** Still in `order`: many go at a time. */
  const gone = new Set<Node>();

  const link = (node: Node): void => {
    for (const output of node.outputs) if (output) made.set(output, node);
    for (const name of readsOf(node)) {
      const users = read.get(name);
      if (users) users.add(node);
      else read.set(name, new Set([node]));
    }
  };
  const unlink = (node: Node): void => {
    for (const output of node.outputs) if (made.get(output) === node) made.delete(output);
    for (const name of readsOf(node)) read.get(name)?.delete(node);
  };
  nodes.forEach(link);

  const readers = (name: string): Node[] => [...(read.get(name) ?? [])];

  /** Every node as `change` has it. */
  const update = (those: Iterable<Node>, change: (node: Node) => Node): void => {
    const changed = new Map<Node, Node>();
    for (const node of those) {
      const now = change(node);
      if (now !== node) changed.set(node, now);
    }
    if (changed.size === 0) return;
    for (const [before, now] of changed) {
      unlink(before);
      link(now);
    }
    order = order.map((node) => changed.get(node) ?? node);
  };
  const readInstead = (from: string, to: string): void =>
    update(readers(from), (node) => renameReads([node], new Map([[from, to]]))[0]!);

  return {
    nodes: () => {
      if (gone.size > 0) order = order.filter((node) => !gone.has(node));
      gone.clear();
      return order;
    },
    maker: (name) => made.get(name),
    readers,
    isReadInside: (name) => readers(name).some((node) => !node.inputs.includes(name)),
    exchange: (node, added) => {
      // Unlinked first, so that the names of its outputs are free for those that stand in.
      unlink(node);
      order.splice(order.indexOf(node), 1, ...added);
      added.forEach(link);
    },
    drop: (node) => {
      unlink(node);
      gone.add(node);
    },
    readInstead,
    renameMade: (from, to) => {
      const maker = made.get(from)!;
      update([maker], (node) => ({ ...node, outputs: node.outputs.map((name) => (name === from ? to : name)) }));
      readInstead(from, to);
    },
  };
}
