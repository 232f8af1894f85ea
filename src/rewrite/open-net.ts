/** A graph while rules work on it: every edit keeps values, weights and what is known of them right. */

import { freshNames, namesOf, readsOf } from '../graph/edit.ts';
import type { Graph, Node } from '../graph/model.ts';
import { isSameTensor, type Tensor } from '../graph/tensor.ts';
import { factOf, infer } from '../ops/infer.ts';
import { constantOf } from './constant-of.ts';
import { emitter } from './emitter.ts';
import type { Edit } from './net.ts';
import { type Wiring, wire } from './wiring.ts';

/** Opens a graph for rules. Sub-graphs are read but never changed inside. */
export function openNet(graph: Graph, opset: number): Edit {
  const facts = new Map(infer(graph));
  const initializers = new Map(graph.initializers);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const fed = new Set(graph.inputs.map(({ name }) => name).filter((name) => !initializers.has(name)));
  const fresh = freshNames(namesOf(graph));
  const wiring = wire(graph.nodes);
  const { maker, readers, isReadInside } = wiring;
  const { emit, take } = emitter(fresh, facts);

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

  const isUnread = (name: string): boolean => !outputs.has(name) && readers(name).length === 0;
  const { remove, sweepUp, dropUnread } = removing(wiring, isUnread, (name) => initializers.delete(name));

  const replace: Edit['replace'] = (root, standIns) => {
    const added = take();
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
    wiring.exchange(root, added);
    for (const [name, other] of pairs) {
      if (isNew(other) || outputs.has(name)) {
        wiring.renameMade(other, name);
        const fact = facts.get(other);
        if (fact && !facts.has(name)) facts.set(name, { ...fact, name });
      } else wiring.readInstead(name, other);
    }
    sweepUp(root);
    for (const node of added) remove(node);
    return undefined;
  };

  const redirect: Edit['redirect'] = (from, to) => {
    if (outputs.has(from)) return `"${from}" is an output of the graph`;
    if (isReadInside(from)) return `a sub-graph reads "${from}"`;
    wiring.readInstead(from, to);
    const made = maker(from);
    if (made) remove(made);
    else dropUnread(from);
    return undefined;
  };

  const settle: Edit['settle'] = (node, tensor) => {
    wiring.exchange(node, []);
    addWeight(node.outputs[0]!, tensor);
    sweepUp(node);
  };

  return {
    nodes: wiring.nodes,
    maker,
    readers,
    isOutput: (name) => outputs.has(name),
    isInput: (name) => fed.has(name),
    isReadInside,
    constant: (name) => {
      const tensor = initializers.get(name);
      const made = tensor ? undefined : maker(name);
      return made ? constantOf(made) : tensor;
    },
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
      const exists = (name: string): boolean => maker(name) !== undefined || initializers.has(name);
      return {
        ...graph,
        nodes: wiring.nodes(),
        initializers,
        inputs: graph.inputs.filter(({ name }) => fed.has(name) || initializers.has(name)),
        values: new Map([...graph.values].filter(([name]) => exists(name))),
      };
    },
  };
}

interface Removing {
  /** Removes a node that nobody reads, and what only it needed. */
  readonly remove: (node: Node) => void;
  /** Removes what only a node that is gone has read. */
  readonly sweepUp: (gone: Node) => void;
  /** Forgets a weight that nobody reads. */
  readonly dropUnread: (name: string) => void;
}

function removing(wiring: Wiring, isUnread: (name: string) => boolean, forget: (name: string) => void): Removing {
  const dropUnread = (name: string): void => {
    if (isUnread(name)) forget(name);
  };
  const remove = (node: Node): void => {
    const open = [node];
    for (let next = open.pop(); next; next = open.pop()) {
      const isGone = !next.outputs.some((name) => name !== '' && wiring.maker(name) === next);
      if (isGone || !next.outputs.every((name) => name === '' || isUnread(name))) continue;
      wiring.drop(next);
      for (const name of readsOf(next)) {
        const maker = wiring.maker(name);
        if (maker) open.push(maker);
        else dropUnread(name);
      }
    }
  };
  const sweepUp = (gone: Node): void => {
    for (const name of readsOf(gone)) {
      const maker = wiring.maker(name);
      if (maker) remove(maker);
      else dropUnread(name);
    }
  };
  return { remove, sweepUp, dropUnread };
}
