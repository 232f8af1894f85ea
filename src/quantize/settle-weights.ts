/**
 * Weights of recurrent layers that a graph or sub-graph puts together from constants (exporters reorder gates with Slice and Concat, inside an If at
 * that) become constants of the model, computed by the engine. What is computed twice is kept once.
 */

import { freshNames, namesOf, removeDead, valueInfo } from '../graph/edit.ts';
import type { Attr, Graph, Model, Node } from '../graph/model.ts';
import { isSameTensor, type Tensor } from '../graph/tensor.ts';
import { writeModel } from '../onnx/write.ts';
import { constantOf } from '../rewrite/constant-of.ts';
import type { Lab } from '../runtime/index.ts';

/** W, R and B of LSTM, GRU and RNN. */
const SLOTS = [1, 2, 3];
const RECURRENT = new Set(['LSTM', 'GRU', 'RNN']);

/** The model with such weights as initialisers; the model itself where there are none. */
export async function settleWeights(model: Model, { engine }: Pick<Lab, 'engine'>): Promise<Model> {
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
    for (const node of graph.nodes) nodes.push(await inNode(node, constants, makers));
    return nodes.every((node, i) => node === graph.nodes[i]) ? graph : removeDead({ ...graph, nodes });
  };
  const inNode = async (
    node: Node,
    constants: ReadonlyMap<string, Tensor>,
    makers: ReadonlyMap<string, Node>,
  ): Promise<Node> => {
    const attrs: Record<string, Attr> = {};
    for (const [key, attr] of Object.entries(node.attrs)) {
      attrs[key] = attr.kind === 'graph' ? { ...attr, value: await inGraph(attr.value, constants) } : attr;
    }
    const inner = Object.entries(attrs).some(([key, attr]) => attr.value !== node.attrs[key]!.value);
    const same = inner ? { ...node, attrs } : node;
    if (!RECURRENT.has(node.op) || node.domain !== '') return same;
    const parts = SLOTS.map((slot) => partFor(node.inputs[slot] ?? '', constants, makers));
    const wanted = SLOTS.filter((_, i) => parts[i]);
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
    const read = new Set(nodes.flatMap(({ inputs }) => inputs));
    const graph: Graph = {
      name: 'weights',
      nodes: [...new Set(nodes)],
      inputs: [],
      outputs: [...new Set(names)].map((name) => valueInfo(name, 'float32')),
      initializers: new Map([...constants].filter(([name]) => read.has(name))),
      values: new Map(),
    };
    const part: Model = { ir, opsets, producer: { name: 'pare', version: '' }, metadata: {}, graph };
    using session = await engine.load(writeModel(part), { optimize: 'none', threads: 1 });
    return await session.run({});
  };

  const graph = await inGraph(model.graph, new Map());
  return settled.length === 0 ? model : { ...model, graph: removeDead({ ...graph, initializers }) };
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
