/** A graph while rules work on it: who makes a value, who reads it, and the few edits that keep both right. */

import { freshNames, namesOf, readsOf, renameReads } from '../graph/edit.ts';
import type { Attr, Dim, Graph, Node } from '../graph/model.ts';
import { isSameTensor, type Tensor } from '../graph/tensor.ts';
import { type AttrInput, attrOf } from '../ops/builder.ts';
import { rowNamed } from '../ops/index.ts';
import { factOf, infer, inferNode } from '../ops/infer.ts';
import type { Value } from '../ops/op.ts';
import { constantOf } from './constant-of.ts';

/** What rules may ask. */
export interface Net {
  /** The nodes in topological order, as they stand now. */
  readonly nodes: () => readonly Node[];
  readonly maker: (name: string) => Node | undefined;
  /** The nodes that read a value, those included whose sub-graphs do. */
  readonly readers: (name: string) => readonly Node[];
  readonly isOutput: (name: string) => boolean;
  /** Is it fed by the caller? */
  readonly isInput: (name: string) => boolean;
  /** Is it read inside some node's sub-graph? */
  readonly isReadInside: (name: string) => boolean;
  /** An initialiser's or a Constant's tensor. */
  readonly constant: (name: string) => Tensor | undefined;
  /** Initialisers by name. */
  readonly initializers: ReadonlyMap<string, Tensor>;
  readonly fact: (name: string) => Value | undefined;
  readonly dims: (name: string) => readonly Dim[] | undefined;
  /** Version of ai.onnx. */
  readonly opset: number;
}

export interface EmitOptions {
  /** The node whose name and notes the new one takes over. */
  like?: Node;
  domain?: string;
  /** Number of outputs. Default 1. */
  outputs?: number;
}

/** What rules may do. */
export interface Edit extends Net {
  /** Makes a node, to be put where the root stands; returns its first output. Attributes may be kept from another node. */
  readonly emit: (
    op: string,
    inputs: readonly string[],
    attrs?: Readonly<Record<string, AttrInput | Attr>>,
    options?: EmitOptions,
  ) => string;
  /** A new weight under a free name like `wish`. */
  readonly weight: (wish: string, tensor: Tensor) => string;
  /** Other content for the weight `name` as `reader` sees it: in place when nobody else reads it, else under a new name. */
  readonly reweigh: (name: string, tensor: Tensor, ...readers: readonly Node[]) => string;
  /**
   * Puts what was emitted in the root's place and lets `outputs` stand for the root's outputs, whose names live on.
   * Returns undefined, or the reason why it changed nothing.
   */
  readonly replace: (root: Node, outputs: readonly (string | undefined)[]) => string | undefined;
  /** Every reader of `from` reads `to` instead. Returns undefined, or the reason why it changed nothing. */
  readonly redirect: (from: string, to: string) => string | undefined;
  /** A node's single output becomes an initialiser of the same name. */
  readonly settle: (node: Node, tensor: Tensor) => void;
  /** Removes a node that nobody reads, and what only it needed. */
  readonly remove: (node: Node) => void;
  /** Removes initialisers that nobody reads. Returns their names. */
  readonly dropWeights: () => string[];
  /** The graph as it stands. */
  readonly finish: () => Graph;
}

const isAttr = (x: AttrInput | Attr): x is Attr => typeof x === 'object' && x !== null && 'kind' in x && 'value' in x;

/** Opens a graph for rules. Sub-graphs are read but never changed inside. */
export function openNet(graph: Graph, opset: number): Edit {
  const facts = new Map(infer(graph));
  const initializers = new Map(graph.initializers);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const fed = new Set(graph.inputs.map(({ name }) => name).filter((name) => !initializers.has(name)));
  const fresh = freshNames(namesOf(graph));
  const made = new Map<string, Node>();
  const read = new Map<string, Set<Node>>();
  let order: Node[] = [];
  let pending: Node[] = [];

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
  for (const node of graph.nodes) {
    order.push(node);
    link(node);
  }

  const readers = (name: string): Node[] => [...(read.get(name) ?? [])];
  const isReadInside = (name: string): boolean => readers(name).some((node) => !node.inputs.includes(name));
  const isDead = (node: Node): boolean =>
    node.outputs.every((name) => name === '' || (!outputs.has(name) && readers(name).length === 0));

  const constant = (name: string): Tensor | undefined => {
    const tensor = initializers.get(name);
    if (tensor) return tensor;
    const maker = made.get(name);
    return maker ? constantOf(maker) : undefined;
  };

  const addWeight = (name: string, tensor: Tensor): string => {
    initializers.set(name, tensor);
    facts.set(name, factOf(name, tensor));
    return name;
  };
  const weight: Edit['weight'] = (wish, tensor) => addWeight(fresh(wish), tensor);
  /** What became of a weight that several nodes read: where it becomes the same for all of them, it is kept once. */
  const variants = new Map<string, string[]>();
  const reweigh: Edit['reweigh'] = (name, tensor, ...allowed) => {
    const known = variants.get(name)?.find((variant) => isSameTensor(initializers.get(variant)!, tensor));
    if (known !== undefined) return known;
    const others = readers(name).some((node) => !allowed.includes(node));
    const isOurs = initializers.has(name) && !others && !isReadInside(name) && !outputs.has(name);
    if (isOurs) return addWeight(name, tensor);
    const variant = weight(name, tensor);
    variants.set(name, [...(variants.get(name) ?? []), variant]);
    return variant;
  };

  const emit: Edit['emit'] = (op, inputs, attrs = {}, { like, domain = '', outputs: count = 1 } = {}) => {
    const row = rowNamed(op, domain);
    const { doc, metadata } = like ?? {};
    const name = like?.name || fresh(op);
    const node: Node = {
      op,
      domain,
      name,
      inputs,
      outputs: Array.from({ length: count }, (_, i) => fresh(i === 0 ? `${name}_out` : `${name}_out${i}`)),
      attrs: Object.fromEntries(
        Object.entries(attrs).flatMap(([key, value]) =>
          value === undefined ? [] : [[key, isAttr(value) ? value : attrOf(row, key, value)]],
        ),
      ),
      ...(doc !== undefined && { doc }),
      ...(metadata !== undefined && { metadata }),
    };
    pending.push(node);
    inferNode(node, (input) => facts.get(input)).forEach((value, i) => {
      if (value) facts.set(node.outputs[i]!, { ...value, name: node.outputs[i]! });
    });
    return node.outputs[0]!;
  };

  /** Every node as `change` has it, links kept right. */
  const update = (nodes: Iterable<Node>, change: (node: Node) => Node): void => {
    const changed = new Map<Node, Node>();
    for (const node of nodes) {
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

  /** The maker of `from` makes `to` instead, and all readers follow. */
  const renameValue = (from: string, to: string): void => {
    const maker = made.get(from)!;
    update([maker], (node) => ({ ...node, outputs: node.outputs.map((name) => (name === from ? to : name)) }));
    readInstead(from, to);
    const fact = facts.get(from);
    if (fact && !facts.has(to)) facts.set(to, { ...fact, name: to });
  };

  const dropUnread = (name: string): void => {
    if (!outputs.has(name) && readers(name).length === 0) initializers.delete(name);
  };

  const remove = (node: Node): void => {
    const gone = new Set<Node>();
    const open = [node];
    for (let next = open.pop(); next; next = open.pop()) {
      if (gone.has(next) || !isDead(next)) continue;
      gone.add(next);
      unlink(next);
      for (const name of readsOf(next)) {
        const maker = made.get(name);
        if (maker) open.push(maker);
        else dropUnread(name);
      }
    }
    if (gone.size > 0) order = order.filter((other) => !gone.has(other));
  };

  /** Removes what only a node that is gone has read. */
  const sweepUp = (gone: Node): void => {
    for (const name of readsOf(gone)) {
      const maker = made.get(name);
      if (maker) remove(maker);
      else dropUnread(name);
    }
  };

  const replace: Edit['replace'] = (root, standIns) => {
    const added = pending;
    pending = [];
    const isNew = (name: string): boolean => added.some((node) => node.outputs.includes(name));
    const pairs = root.outputs.flatMap((name, i) => {
      const other = standIns[i];
      return name === '' || other === undefined ? [] : [[name, other] as const];
    });
    const isTaken = (name: string): boolean => outputs.has(name) || fed.has(name) || initializers.has(name);
    for (const [name, other] of pairs) {
      if (isNew(other)) continue;
      if (outputs.has(name) && isTaken(other)) return 'it joins two values that the caller knows by name';
      const inside = [name, other].find((value) => isReadInside(value) && (value === name || outputs.has(name)));
      if (inside !== undefined) return `a sub-graph reads "${inside}"`;
    }
    // The root steps aside: it is unlinked first so that its outputs' names are free for the stand-ins.
    unlink(root);
    const at = order.indexOf(root);
    order.splice(at, 1, ...added);
    for (const node of added) link(node);
    for (const [name, other] of pairs) {
      if (isNew(other) || outputs.has(name)) renameValue(other, name);
      else readInstead(name, other);
    }
    sweepUp(root);
    for (const node of added) remove(node);
    return undefined;
  };

  const redirect: Edit['redirect'] = (from, to) => {
    if (outputs.has(from)) return `"${from}" is an output of the graph`;
    if (isReadInside(from)) return `a sub-graph reads "${from}"`;
    readInstead(from, to);
    const maker = made.get(from);
    if (maker) remove(maker);
    else dropUnread(from);
    return undefined;
  };

  const settle: Edit['settle'] = (node, tensor) => {
    unlink(node);
    order = order.filter((other) => other !== node);
    addWeight(node.outputs[0]!, tensor);
    sweepUp(node);
  };

  return {
    nodes: () => order,
    maker: (name) => made.get(name),
    readers,
    isOutput: (name) => outputs.has(name),
    isInput: (name) => fed.has(name),
    isReadInside,
    constant,
    initializers,
    fact: (name) => facts.get(name),
    dims: (name) => facts.get(name)?.dims,
    opset,
    emit,
    weight,
    reweigh,
    replace,
    redirect,
    settle,
    remove,
    dropWeights: () => {
      const before = [...initializers.keys()];
      before.forEach(dropUnread);
      return before.filter((name) => !initializers.has(name));
    },
    finish: () => {
      const exists = (name: string): boolean => made.has(name);
      return {
        ...graph,
        nodes: order,
        initializers,
        inputs: graph.inputs.filter(({ name }) => fed.has(name) || initializers.has(name)),
        values: new Map([...graph.values].filter(([name]) => exists(name) || initializers.has(name))),
      };
    },
  };
}
