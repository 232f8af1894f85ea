/** Removes channels for good: weights are sliced, attributes and constant shapes follow. Names no op. */

import { internal } from '../base/error.ts';
import { freshNames, namesOf, readsOf } from '../graph/edit.ts';
import type { Attr, Graph, Model, Node, ValueInfo } from '../graph/model.ts';
import { numbers, type Tensor, tensor } from '../graph/tensor.ts';
import { attrOf } from '../ops/builder.ts';
import { rowOf } from '../ops/index.ts';
import { slotAt } from '../ops/infer.ts';
import type { Adjustment, Axis, Kept } from '../ops/link.ts';
import { gather } from './gather.ts';
import type { Solved, Units } from './group.ts';

/** Positions that stay, by value and axis; axes that lose nothing are not listed. */
export type Left = ReadonlyMap<string, ReadonlyMap<number, readonly number[]>>;

/** Which positions of which axes stay when these units go. */
export function leftAfter(cuts: readonly Units[]): Left {
  const gone = new Map<string, Map<number, { size: number; positions: Set<number> }>>();
  for (const { group, units } of cuts) {
    for (const { value, axis, size, each, positions } of group.places) {
      const ofValue = gone.get(value) ?? new Map<number, { size: number; positions: Set<number> }>();
      gone.set(value, ofValue);
      const entry = ofValue.get(axis) ?? { size, positions: new Set<number>() };
      ofValue.set(axis, entry);
      for (const unit of units) for (let k = 0; k < each; k++) entry.positions.add(positions[unit * each + k]!);
    }
  }
  return new Map(
    [...gone].map(([value, ofValue]) => [
      value,
      new Map(
        [...ofValue]
          .filter(([, { positions }]) => positions.size > 0)
          .map(([axis, { size, positions }]) => [axis, range(size).filter((i) => !positions.has(i))]),
      ),
    ]),
  );
}

const range = (size: number): number[] => Array.from({ length: size }, (_, i) => i);

/** The elements of a weight at the positions that stay; an axis without a list is kept whole. */
export type Slice = (weight: Tensor, kept: readonly (readonly number[] | undefined)[]) => Tensor;

/**
 * The model without these channels. `slice` says how weights are cut; by default they are copied.
 *
 * Shapes   every axis that carries a cut channel gets shorter; graph inputs and outputs only where they were solved as free to cut.
 * Throws   internal/bug when an axis would be left empty, or a constant to adjust is not a constant.
 */
export function cut(model: Model, solved: Solved, cuts: readonly Units[], slice: Slice = gather): Model {
  const left = leftAfter(cuts);
  if (left.size === 0) return model;
  const { graph } = model;
  const initializers = new Map<string, Tensor>();
  for (const [name, value] of graph.initializers) initializers.set(name, sliced(name, value, left, slice));
  const nodes = adjusted(graph, solved, left, initializers);
  const shorten = (info: ValueInfo): ValueInfo => shortened(info, left);
  // What the file states of inner values may be stale; only what nobody can infer is worth keeping.
  const opaque = new Set(graph.nodes.flatMap((node) => (rowOf(node) ? [] : node.outputs)));
  const values = new Map([...graph.values].filter(([name]) => opaque.has(name) && !left.has(name)));
  const outputs = graph.outputs.map(shorten);
  const returned = new Set(outputs.map(({ name }) => name));
  for (const name of replacedConstants(graph, nodes)) {
    if (!returned.has(name)) initializers.delete(name);
  }
  const inputs = graph.inputs
    .filter(({ name }) => initializers.has(name) || !graph.initializers.has(name))
    .map(shorten);
  return { ...model, graph: { ...graph, nodes, inputs, outputs, values, initializers } };
}

function sliced(name: string, value: Tensor, left: Left, slice: Slice): Tensor {
  const kept = left.get(name);
  if (!kept?.size) return value;
  for (const [axis, positions] of kept)
    if (positions.length === 0) throw internal(`a cut leaves nothing of ${name}[${axis}]`);
  return slice(
    value,
    value.dims.map((_, axis) => kept.get(axis)),
  );
}

function shortened(info: ValueInfo, left: Left): ValueInfo {
  const kept = left.get(info.name);
  if (!kept || info.type?.kind !== 'tensor' || !info.type.dims) return info;
  const dims = info.type.dims.map((dim, axis) => kept.get(axis)?.length ?? dim);
  return { ...info, type: { ...info.type, dims } };
}

/** The nodes with what their rows say changes; new constants go into `initializers`. */
function adjusted(graph: Graph, { links }: Solved, left: Left, initializers: Map<string, Tensor>): Node[] {
  const fresh = freshNames(namesOf(graph));
  const kept: Kept = ({ value, axis, size }: Axis) => left.get(value)?.get(axis) ?? range(size);
  return graph.nodes.flatMap((node) => {
    if (![...node.inputs, ...node.outputs].some((name) => left.get(name)?.size)) return [node];
    const before: Node[] = [];
    const changed = (links.get(node) ?? []).reduce((now, link) => {
      if (link.kind !== 'adjust') return now;
      const change = link.change(kept);
      return withEntries(applied(now, change, initializers, fresh), change, { initializers, fresh, before });
    }, node);
    return [...before, changed];
  });
}

/** A node after an adjustment. Constants are never written over: another node may read them too. */
function applied(
  node: Node,
  { attrs = {}, ints = {} }: Adjustment,
  initializers: Map<string, Tensor>,
  fresh: (wish: string) => string,
): Node {
  const row = rowOf(node)!;
  const inputs = [...node.inputs];
  for (const [slot, values] of Object.entries(ints)) {
    const at = row.inputs.findIndex((_, i) => slotAt(row.inputs, i) === slot);
    const before = initializers.get(inputs[at] ?? '');
    if (before && sameNumbers(before, values)) continue;
    const name = fresh(`${node.name || node.op}_${slot}`);
    initializers.set(name, tensor(before?.dtype ?? 'int64', [values.length], values));
    while (inputs.length < at) inputs.push('');
    inputs[at] = name;
  }
  const next: Record<string, Attr> = { ...node.attrs };
  for (const [key, value] of Object.entries(attrs)) {
    if (value === undefined) delete next[key];
    else next[key] = attrOf(row, key, value);
  }
  return { ...node, inputs, attrs: next };
}

/** Single numbers of integer inputs replaced: in the constant, or behind what makes them at run time. */
function withEntries(
  node: Node,
  { entries = {} }: Adjustment,
  into: { initializers: Map<string, Tensor>; fresh: (wish: string) => string; before: Node[] },
): Node {
  const { initializers, fresh, before } = into;
  const row = rowOf(node)!;
  const inputs = [...node.inputs];
  const constant = (wish: string, values: readonly number[]): string => {
    const name = fresh(wish);
    initializers.set(name, tensor('int64', [values.length], values));
    return name;
  };
  for (const [slot, changes] of Object.entries(entries)) {
    if (changes.size === 0) continue;
    const at = row.inputs.findIndex((_, i) => slotAt(row.inputs, i) === slot);
    const wish = `${node.name || node.op}_${slot}`;
    const known = initializers.get(inputs[at]!);
    if (known) {
      inputs[at] = constant(
        wish,
        Array.from(numbers(known), (value, i) => changes.get(i) ?? value),
      );
      continue;
    }
    const changed = fresh(`${wish}_cut`);
    before.push({
      op: 'ScatterElements',
      domain: '',
      name: changed,
      inputs: [inputs[at]!, constant(`${wish}_places`, [...changes.keys()]), constant(wish, [...changes.values()])],
      outputs: [changed],
      attrs: {},
    });
    inputs[at] = changed;
  }
  return { ...node, inputs };
}

const sameNumbers = (t: Tensor, values: readonly number[]): boolean => {
  const now = numbers(t);
  return now.length === values.length && now.every((x, i) => x === values[i]);
};

/** Constants that some node read before and none reads now. */
function replacedConstants(graph: Graph, nodes: readonly Node[]): Set<string> {
  const read = new Set(nodes.flatMap(readsOf));
  return new Set(graph.nodes.flatMap(readsOf).filter((name) => graph.initializers.has(name) && !read.has(name)));
}
