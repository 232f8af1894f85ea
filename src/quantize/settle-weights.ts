/**
 * Weights that a graph or sub-graph puts together from constants (exporters reorder the gates of recurrent layers with Slice and Concat, inside an If
 * at that; weight normalisation divides by a norm) become constants of the model, computed by the engine. What is computed twice is kept once.
 */

import { isStatic } from '../graph/dim.ts';
import { consumers, freshNames, namesOf, removeDead, sortNodes, valueInfo } from '../graph/edit.ts';
import type { Attr, Graph, Model, Node } from '../graph/model.ts';
import { isSameTensor, sizeOf, type Tensor } from '../graph/tensor.ts';
import { writeModel } from '../onnx/write.ts';
import { rowOf } from '../ops/index.ts';
import { infer, slotAt } from '../ops/infer.ts';
import { constantOf } from '../rewrite/constant-of.ts';
import { rewrite } from '../rewrite/index.ts';
import type { Lab } from '../runtime/index.ts';

/** The places of a layer's weights and biases among its inputs. */
function weightSlots(node: Node): number[] {
  const row = rowOf(node);
  if (!row) return [];
  const { quant } = row;
  const names =
    quant.kind === 'weighted'
      ? [quant.weight, quant.bias]
      : quant.kind === 'float' && quant.stores
        ? [...quant.stores.slots, 'B']
        : [];
  return node.inputs.flatMap((_, i) => (names.includes(slotAt(row.inputs, i)) ? [i] : []));
}

/** Weights that are integers in the file stay so. */
const isStored = ({ dtype, dims }: Tensor): boolean => /^u?int[48]$/.test(dtype) && dims.length > 1;

/** The model with such weights as initialisers; the model itself where there are none. */
export async function settleWeights(given: Model, { engine }: Pick<Lab, 'engine'>): Promise<Model> {
  // Where a weight is cut may be worked out from dimensions that are known.
  const { model } = rewrite(given, ['drop-identity', 'fold-known-integers']);
  const fresh = freshNames(namesOf(model.graph));
  const initializers = new Map(model.graph.initializers);
  const settled: { readonly name: string; readonly value: Tensor }[] = [];

  const keep = (wish: string, value: Tensor): string => {
    const same = settled.find((other) => isSameTensor(other.value, value));
    if (same) return same.name;
    const name = fresh(wish);
    initializers.set(name, value);
    settled.push({ name, value });
    return name;
  };
  const inGraph = async (graph: Graph, outer: ReadonlyMap<string, Tensor>): Promise<Graph> => {
    const constants = new Map([...outer, ...graph.initializers]);
    const readers = consumers(graph);
    const makers = new Map<string, Node>();
    for (const node of graph.nodes) {
      const constant = constantOf(node);
      for (const name of node.outputs) {
        constants.delete(name);
        if (constant) constants.set(name, constant);
        else makers.set(name, node);
      }
    }
    const nodes: Node[] = [];
    for (const node of graph.nodes) nodes.push(await inNode(node, constants, makers, readers));
    return nodes.every((node, i) => node === graph.nodes[i]) ? graph : removeDead({ ...graph, nodes });
  };
  const inNode = async (
    node: Node,
    constants: ReadonlyMap<string, Tensor>,
    makers: ReadonlyMap<string, Node>,
    readers: ReadonlyMap<string, readonly Node[]>,
  ): Promise<Node> => {
    const attrs: Record<string, Attr> = {};
    for (const [key, attr] of Object.entries(node.attrs)) {
      attrs[key] = attr.kind === 'graph' ? { ...attr, value: await inGraph(attr.value, constants) } : attr;
    }
    const inner = Object.entries(attrs).some(([key, attr]) => attr.value !== node.attrs[key]!.value);
    const same = inner ? { ...node, attrs } : node;
    const slots = weightSlots(node);
    const parts = slots.map((slot) => {
      const name = node.inputs[slot] ?? '';
      const part = partFor(name, constants, makers);
      return part && isFresh(name, part, constants, readers) ? part : undefined;
    });
    const wanted = slots.filter((_, i) => parts[i]);
    if (wanted.length === 0) return same;
    const together = new Set(parts.flatMap((part) => [...(part ?? [])]));
    const names = wanted.map((slot) => node.inputs[slot]!);
    const values = await compute(
      model,
      [...makers.values()].filter((maker) => together.has(maker)),
      names,
      constants,
    );
    return { ...same, inputs: node.inputs.map((name) => (values[name] ? keep(name, values[name]) : name)) };
  };
  const compute = async (
    { opsets, ir }: Model,
    nodes: readonly Node[],
    names: readonly string[],
    constants: ReadonlyMap<string, Tensor>,
  ): Promise<Readonly<Record<string, Tensor>>> => {
    const drawn = drawnOf(nodes, constants);
    const facts = infer(drawn);
    const outputs = [...new Set(names)].map((name) => valueInfo(name, facts.get(name)?.dtype ?? 'float32'));
    const graph = { ...drawn, outputs };
    const part: Model = { ir, opsets, producer: { name: 'pare', version: '' }, metadata: {}, graph };
    using session = await engine.load(writeModel(part), { optimize: 'none', threads: 1 });
    return await session.run({});
  };

  const graph = await inGraph(model.graph, new Map());
  return settled.length === 0 ? given : { ...model, graph: removeDead({ ...graph, initializers }) };
}

/** What these nodes make of constants, as a graph of its own. */
function drawnOf(nodes: Iterable<Node>, constants: ReadonlyMap<string, Tensor>): Graph {
  const all = [...new Set(nodes)];
  const read = new Set(all.flatMap(({ inputs }) => inputs));
  const initializers = new Map([...constants].filter(([name]) => read.has(name)));
  return sortNodes({ name: 'weights', nodes: all, inputs: [], outputs: [], initializers, values: new Map() });
}

/**
 * Whether all that it is made of is floats that nobody else reads, or that it is a slice of, and it is no larger than they: else there would be a copy,
 * floats for integers, or a fill written out.
 */
function isFresh(
  made: string,
  part: ReadonlySet<Node>,
  constants: ReadonlyMap<string, Tensor>,
  readers: ReadonlyMap<string, readonly Node[]>,
): boolean {
  const read = new Set([...part].flatMap(({ inputs }) => inputs));
  const size = (): number => {
    const dims = infer(drawnOf(part, constants)).get(made)?.dims;
    return dims && isStatic(dims) ? sizeOf(dims) : Number.POSITIVE_INFINITY;
  };
  const given = [...read].reduce((sum, name) => sum + sizeOf(constants.get(name)?.dims ?? [0]), 0);
  const own = size();
  if (Number.isFinite(own) && own > given) return false;
  return [...read].every((name) => {
    const constant = constants.get(name);
    if (!constant || constant.dims.length < 2) return true;
    if (isStored(constant)) return false;
    return (readers.get(name) ?? []).every((reader) => part.has(reader)) || own < sizeOf(constant.dims);
  });
}

/** The nodes that make a value out of constants; undefined when it is a constant, or depends on something else. */
function partFor(
  name: string,
  constants: ReadonlyMap<string, Tensor>,
  makers: ReadonlyMap<string, Node>,
): Set<Node> | undefined {
  if (!makers.has(name)) return undefined;
  const part = new Set<Node>();
  const open = [name];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === '' || constants.has(next)) continue;
    const maker = makers.get(next);
    if (!maker || Object.values(maker.attrs).some(({ kind }) => kind === 'graph')) return undefined;
    part.add(maker);
    open.push(...maker.inputs);
  }
  return part;
}
