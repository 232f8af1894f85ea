/**
 * Models that were written for batches of one size, at another: `torch.onnx.export` fixes the size unless it is told otherwise.
 *
 * What a node computes is inferred at both sizes, node by node; where a shape is stated, the axis that holds the samples grows. A batch of one
 * leaves some reshapes open, such as [steps, 1, width] → [steps, heads, part]: then the axis is the likely one, and whoever uses the
 * result compares its answers.
 */

import { PareError } from '../base/error.ts';
import { isStatic } from '../graph/dim.ts';
import { freshNames, namesOf } from '../graph/edit.ts';
import { feedsOf, type Graph, type Node, tensorType } from '../graph/model.ts';
import { int64, sizeOf } from '../graph/tensor.ts';
import { factOf, infer, inferNode } from '../ops/infer.ts';
import type { Value } from '../ops/op.ts';

/** Where the samples of a value lie: along an axis, behind `outer` positions of it that have nothing to do with them. */
interface Spot {
  readonly axis: number;
  readonly outer: number;
}

/** Ops that state the dimensions of their result: in which input. */
const STATED: Readonly<Record<string, number>> = { Reshape: 1, Expand: 1, Resize: 3 };
/** Ops whose inputs must all have the samples: which inputs, and along which axis, where it is not the first input's. */
const JOINED: Readonly<Record<string, { readonly from: number; readonly axis?: number }>> = {
  Concat: { from: 0 },
  LSTM: { from: 5, axis: 1 },
  GRU: { from: 5, axis: 1 },
  RNN: { from: 5, axis: 1 },
};

/**
 * The graph's nodes and constants for batches of `to` samples instead of `from`; its inputs stay as they are.
 *
 * Throws   shape/… where what follows does not fit.
 */
export function rebatched(graph: Graph, from: number, to: number): Graph {
  const before = infer(graph);
  const now = new Map<string, Value>([...graph.initializers].map(([name, tensor]) => [name, factOf(name, tensor)]));
  const spots = new Map<string, Spot>();
  for (const info of feedsOf(graph)) {
    const fact = before.get(info.name);
    if (!fact) continue;
    const isBatched = tensorType(info)?.dims?.[0] === from;
    now.set(info.name, isBatched ? { ...fact, dims: [to, ...fact.dims.slice(1)] } : fact);
    if (isBatched) spots.set(info.name, { axis: 0, outer: 1 });
  }
  const fresh = freshNames(namesOf(graph));
  const initializers = new Map(graph.initializers);
  const state = (wish: string, values: readonly number[]): string => {
    const name = fresh(wish);
    initializers.set(name, int64([values.length], [...values]));
    now.set(name, factOf(name, initializers.get(name)!));
    return name;
  };
  const dimsOf = (name: string): readonly number[] | undefined => {
    const dims = before.get(name)?.dims;
    return isStatic(dims) ? dims : undefined;
  };

  /** The node with the stated dimensions at the new size. */
  const restated = (node: Node): Node => {
    const slot = STATED[node.op];
    const spot = spots.get(node.inputs[0]!);
    const stated = slot === undefined ? undefined : now.get(node.inputs[slot] ?? '')?.ints;
    const [X, Y] = [dimsOf(node.inputs[0]!), dimsOf(node.outputs[0]!)];
    if (!spot || !stated || !X || !Y || !stated.every((dim) => typeof dim === 'number')) return node;
    const axis = node.op === 'Reshape' ? spotBehind(X, spot, Y, from)?.axis : spot.axis + Y.length - X.length;
    const size = axis === undefined ? 0 : (stated[axis] as number);
    if (size !== before.get(node.inputs[slot!]!)?.ints?.[axis!]) return node; // worked out from shapes, it follows by itself
    if (size <= 0 || size % from !== 0 || (node.op === 'Expand' && size !== X[spot.axis])) return node;
    const shape = (stated as number[]).with(axis!, (size / from) * to);
    return { ...node, inputs: node.inputs.with(slot!, state(`${node.outputs[0]}_shape`, shape)) };
  };
  /** The node behind others that repeat, for every sample, what it joins to them. */
  const joined = (node: Node): Node[] => {
    const join = JOINED[node.op];
    const spot = node.inputs.map((name) => spots.get(name)).find(Boolean);
    if (!join || !spot || from !== 1) return [node];
    const axis = join.axis ?? spot.axis;
    const nodes: Node[] = [];
    const inputs = node.inputs.map((name, i) => {
      const dims = i < join.from || spots.has(name) ? undefined : dimsOf(name);
      if (dims?.[axis] !== 1 || node.attrs['axis']?.value === axis) return name;
      const output = fresh(`${name}_repeated`);
      const shape = state(`${output}_shape`, dims.with(axis, to));
      nodes.push({ op: 'Expand', domain: '', name: output, inputs: [name, shape], outputs: [output], attrs: {} });
      return output;
    });
    return [...nodes, { ...node, inputs }];
  };

  const nodes = graph.nodes.flatMap((node) => {
    const made = joined(restated(node));
    for (const each of made) {
      const facts = inferNode(each, (name) => now.get(name));
      each.outputs.forEach((name, i) => {
        const fact = facts[i];
        if (fact) now.set(name, fact);
      });
    }
    for (const name of node.outputs) {
      const [Y, old] = [now.get(name)?.dims, dimsOf(name)];
      const axis = old && isStatic(Y) && Y.length === old.length ? Y.findIndex((dim, i) => dim !== old[i]) : -1;
      if (axis < 0) continue;
      const [X, spot] = [dimsOf(node.inputs[0] ?? ''), spots.get(node.inputs[0] ?? '')];
      const told = spot && X && (node.op === 'Reshape' ? spotBehind(X, spot, old!, from) : spot);
      const isSame = told && (node.op === 'Reshape' ? told.axis === axis : X[told.axis] === old![axis]);
      spots.set(name, { axis, outer: isSame ? told.outer : 1 });
    }
    return made;
  });
  return { ...graph, nodes, initializers };
}

/** Where the samples lie once X's elements are taken as Y: as many elements lie before them as did. */
function spotBehind(X: readonly number[], { axis, outer }: Spot, Y: readonly number[], from: number): Spot | undefined {
  const ahead = sizeOf(X.slice(0, axis)) * outer;
  const fitting = Y.map((size, at) => ({ axis: at, outer: ahead / sizeOf(Y.slice(0, at)), size })).filter(
    (spot) => Number.isInteger(spot.outer) && spot.size % (spot.outer * from) === 0,
  );
  const last = Y.length - 1;
  return (
    fitting.find((spot) => spot.outer === 1 && spot.size === from) ??
    fitting.find((spot) => spot.outer === 1 && (spot.axis < last || spot.axis === 0)) ??
    fitting.find((spot) => spot.outer * from === spot.size) ??
    fitting[0]
  );
}

/** The error for a batch that a model does not take. */
export const madeFor = (name: string, fixed: number, batch: number, cause?: unknown): PareError =>
  new PareError(
    'train/batch',
    `The model${name && `'s input "${name}"`} is made for batches of ${fixed}, not ${batch}.`,
    {
      ...(name && { where: name }),
      hint: `use a batch of ${fixed} and accumulate ${Math.max(2, Math.round(batch / fixed))} of them, or export the model with an open batch`,
      ...(cause !== undefined && { cause }),
    },
  );
