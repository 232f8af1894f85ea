/**
 * Decides, before a node is written, which nodes run on integers and which values share a grid. Names no op.
 *
 *   forward     a value is *held* when integers can carry it to where it is read
 *   backward    a value is *needed* when an integer kernel reads it in the end; an own-scale op that nobody needs stays float
 *   groups      what merely moves has the grid of what it moves; a clamp behind a kernel becomes the kernel's own limits
 */

import { pick } from '../base/suggest.ts';
import { consumers, producers } from '../graph/edit.ts';
import type { Graph, Node } from '../graph/model.ts';
import type { Facts } from '../ops/infer.ts';
import { type GridForm, type GridFormName, gridForms } from './grid.ts';
import { type Role, roleOf } from './role.ts';

/** A node that stayed in floats. */
export interface Kept {
  readonly node: string;
  readonly op: string;
  readonly why: string;
}

export interface Plan {
  /** Nodes whose arithmetic is on integers. */
  readonly kernels: ReadonlyMap<Node, Role>;
  /** Nodes that move integers. */
  readonly movers: ReadonlyMap<Node, Role>;
  /** Clamps that a kernel's limits replace. */
  readonly dropped: ReadonlySet<Node>;
  /** Values that get a quantise-dequantise pair, each with the value whose grid it has. */
  readonly groupOf: ReadonlyMap<string, string>;
  /** Values whose grid is so many times as wide as their group's: a constant was multiplied with them. */
  readonly stretch: ReadonlyMap<string, number>;
  /** For each grid: the value to look at when calibrating (behind the clamps). */
  readonly watch: ReadonlyMap<string, string>;
  readonly kept: readonly Kept[];
}

export interface PlanOptions {
  /** Node names, names of their first output, or op types that stay in floats. */
  exclude?: readonly string[];
  /** Layers, by name or first output, that integers do not make faster: they stay in floats too. */
  slow?: readonly string[];
  /** What is said of those. Default: "integers are not faster here". */
  slowBecause?: string;
  /** Layers, by name or first output, that lose too much on integers: they stay in floats. */
  sensitive?: readonly string[];
  /** Quantise products of two computed values, as in attention. Default false. */
  products?: boolean;
  /** How the integers of activations lie about 0. Default `u8`. */
  activations?: GridFormName;
  /** Quantise this node alone (by name or first output), to study it: even where no integers reach it or leave it. */
  only?: string;
}

/** Why a layer stays in floats: by timing, and by what it loses. */
export const NOT_FASTER = 'integers are not faster here';
export const SENSITIVE = 'integers lose too much here';
export const FAST_ENOUGH = 'floats are fast enough';

export const labelOf = (node: Node): string => node.name || node.outputs[0] || node.op;

export function planOf(
  graph: Graph,
  facts: Facts,
  {
    exclude = [],
    slow = [],
    slowBecause = NOT_FASTER,
    sensitive = [],
    products = false,
    activations = 'u8',
    only,
  }: PlanOptions = {},
): Plan {
  const { folds, dtype }: GridForm = pick(gridForms, activations, 'form of activations');
  const made = producers(graph);
  const readers = consumers(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const excluded = new Set(exclude);
  const left = new Map<string, string>();
  for (const label of slow) left.set(label, slowBecause);
  for (const label of sensitive) left.set(label, SENSITIVE);
  const alone = only !== undefined;
  const isExcluded = (node: Node): boolean =>
    excluded.has(node.name) || excluded.has(node.op) || excluded.has(node.outputs[0] ?? '');
  const isLeftOut = (node: Node, { kind }: Role): boolean => alone && !MOVES.has(kind) && labelOf(node) !== only;
  const constant = (name: string): boolean => graph.initializers.has(name);
  const isFloat = (name: string): boolean => facts.get(name)?.dtype === 'float32';
  const why = new Map<Node, string>();

  // Forward: which nodes could run on integers.
  const held = new Set<string>();
  const roles = new Map<Node, Role>();
  for (const node of graph.nodes) {
    const asked = roleOf(node, graph, facts);
    const reason = isExcluded(node) || isLeftOut(node, asked) ? 'excluded' : left.get(labelOf(node));
    const role: Role = reason === undefined ? asked : { kind: 'float', why: reason };
    const inputs = node.inputs.filter((name) => name !== '' && !constant(name));
    const holds = ((): boolean => {
      switch (role.kind) {
        case 'weighted':
          return isFloat(node.inputs[role.input]!);
        case 'product':
          return products && role.inputs.every((i) => isFloat(node.inputs[i]!));
        case 'own':
          return inputs.length > 0 && inputs.every((name) => (alone ? isFloat(name) : held.has(name)));
        case 'passes':
        case 'clamps':
        case 'rescales':
          return held.has(movedBy(node, role));
        case 'float':
          return false;
      }
    })();
    if (holds) {
      roles.set(node, role);
      for (const name of node.outputs) if (name && isFloat(name)) held.add(name);
    } else if (role.kind === 'float') why.set(node, role.why);
    else if (role.kind === 'product') why.set(node, 'both operands are computed (option products)');
    else if (role.kind === 'weighted') why.set(node, 'its input is not float32');
    else why.set(node, 'what it reads stays in floats');
  }

  // Backward: which of them are worth it.
  const needed = new Set<string>();
  const kernels = new Map<Node, Role>();
  const movers = new Map<Node, Role>();
  for (const node of graph.nodes.toReversed()) {
    const role = roles.get(node);
    if (!role) continue;
    const wanted = node.outputs.some((name) => needed.has(name));
    if (MOVES.has(role.kind)) {
      // Engines move signed pairs behind such a node themselves, and ONNX Runtime 1.30 gets their type wrong.
      const isWatched = dtype === 'int8' && role.kind === 'passes';
      if (!wanted && !isWatched) {
        why.set(node, 'only float nodes read its result');
        continue;
      }
      if (!wanted) for (const name of node.outputs) if (name) needed.add(name);
      movers.set(node, role);
      needed.add(movedBy(node, role));
      continue;
    }
    if (role.kind === 'own' && !wanted && !alone && !shrinks(node, facts)) {
      why.set(node, 'only float nodes read its result');
      continue;
    }
    kernels.set(node, role);
    for (const name of operandsOf(node, role)) if (!constant(name)) needed.add(name);
  }

  // Groups, in the order of the nodes.
  const groupOf = new Map<string, string>();
  const stretch = new Map<string, number>();
  const watch = new Map<string, string>();
  const dropped = new Set<Node>();
  const onlyReader = (name: string): Node | undefined => {
    const users = readers.get(name) ?? [];
    const [user] = users;
    return users.length === 1 && !outputs.has(name) && user!.inputs.filter((input) => input === name).length === 1
      ? user
      : undefined;
  };
  /** Clamps behind a kernel, as far as nothing else sees the value in between. */
  const absorb = (root: string): void => {
    let at = root;
    for (let next = onlyReader(at); next; next = onlyReader(at)) {
      const role = roles.get(next);
      const out = next.outputs[0]!;
      if (next.inputs[0] !== at || (role?.kind !== 'clamps' && role?.kind !== 'passes')) break;
      if (next.outputs.filter((name) => name !== '').length > 1) break;
      if (role.kind === 'clamps') {
        if (!folds(role.to)) break;
        dropped.add(next);
        movers.delete(next);
        watch.set(root, out);
      }
      at = out;
    }
  };
  const open = (name: string): void => {
    if (groupOf.has(name)) return;
    groupOf.set(name, name);
    if (!watch.has(name)) watch.set(name, name);
  };
  for (const { name } of graph.inputs) if (needed.has(name)) open(name);
  for (const node of graph.nodes) {
    const role = kernels.get(node);
    for (const name of node.outputs) {
      if (!name || groupOf.has(name)) continue;
      if (role) {
        if (!mustQuantize(role) && !needed.has(name)) continue;
        absorb(name);
        open(name);
      } else if (dropped.has(node)) {
        const group = groupOf.get(node.inputs[0]!) ?? inherited(node, made, groupOf, movers, dropped);
        if (group) groupOf.set(name, group);
      } else if (needed.has(name)) {
        const moves = movers.get(node);
        const from = moves ? movedBy(node, moves) : '';
        const group = moves?.kind === 'passes' || moves?.kind === 'rescales' ? groupOf.get(from) : undefined;
        if (!group) open(name);
        else {
          groupOf.set(name, group);
          const wide = (stretch.get(from) ?? 1) * (moves?.kind === 'rescales' ? moves.by : 1);
          if (wide !== 1) stretch.set(name, wide);
        }
      }
    }
  }
  const kept = [...why]
    .filter(([node]) => !dropped.has(node) && node.inputs.some(isFloat) && node.outputs.some(isFloat))
    .map(([node, reason]) => ({ node: labelOf(node), op: node.op, why: reason }));
  return { kernels, movers, dropped, groupOf, stretch, watch, kept };
}

/** Every value that a plan with more exclusions could give a grid of its own: whoever keeps a kernel drops the clamp behind it too. */
export function candidatesOf(graph: Graph, facts: Facts, { kernels, movers, dropped }: Plan): string[] {
  const within = new Set([...dropped].map(({ inputs }) => inputs[0]!));
  const names = [...kernels.keys(), ...movers.keys(), ...dropped].flatMap((node) => [...node.inputs, ...node.outputs]);
  return [...new Set(names)].filter(
    (name) => name !== '' && !within.has(name) && !graph.initializers.has(name) && facts.get(name)?.dtype === 'float32',
  );
}

/** The grid that reaches a dropped clamp through movers that need no pair of their own. */
function inherited(
  node: Node,
  made: ReadonlyMap<string, Node>,
  groupOf: ReadonlyMap<string, string>,
  movers: ReadonlyMap<Node, Role>,
  dropped: ReadonlySet<Node>,
): string | undefined {
  for (let name = node.inputs[0]!; ; ) {
    const group = groupOf.get(name);
    if (group !== undefined) return group;
    const maker = made.get(name);
    if (!maker || !(movers.has(maker) || dropped.has(maker))) return undefined;
    name = maker.inputs[0]!;
  }
}

/** Roles that carry integers on without arithmetic of their own. */
const MOVES: ReadonlySet<Role['kind']> = new Set(['passes', 'clamps', 'rescales']);

/** The value that such a node carries on. */
export const movedBy = (node: Node, role: Role): string => node.inputs[role.kind === 'rescales' ? role.input : 0] ?? '';

/** The values that a kernel reads as integers, weights and biases aside. */
export function operandsOf(node: Node, role: Role): readonly string[] {
  switch (role.kind) {
    case 'weighted':
      return [node.inputs[role.input]!];
    case 'product':
      return role.inputs.map((i) => node.inputs[i]!);
    case 'own':
      return node.inputs.filter((name) => name !== '');
    default:
      return [];
  }
}

/** Is there an integer kernel only when the result is quantised too? */
const mustQuantize = (role: Role): boolean => role.kind === 'own' || (role.kind === 'weighted' && !role.product);

/** Is the result smaller than the operand, so that going back to floats is cheaper behind it? */
function shrinks(node: Node, facts: Facts): boolean {
  const size = (name: string | undefined): number =>
    (facts.get(name ?? '')?.dims ?? []).reduce<number>((n, dim) => (typeof dim === 'number' ? n * dim : n), 1);
  return node.inputs.length === 1 && size(node.outputs[0]) < size(node.inputs[0]);
}
