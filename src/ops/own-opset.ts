/** A modern model back in the opset that its file spoke: each row tells its forms' way back. Names no op. */

import { freshNames, namesOf } from '../graph/edit.ts';
import type { Attr, Graph, Model, Node } from '../graph/model.ts';
import type { Tensor } from '../graph/tensor.ts';
import { knownInts } from './answer.ts';
import { fit } from './form.ts';
import { rowOf } from './index.ts';
import { type Facts, factOf, type Learner, learn } from './infer.ts';
import type { FormMaker, HistoricNode } from './op.ts';
import { irOf } from './version.ts';

/** The model as it is written. */
export interface Settled {
  readonly model: Model;
  /** Why it does not speak the opset of its file. */
  readonly raised?: Raised;
}

export interface Raised {
  readonly from: number;
  readonly to: number;
  readonly why: string;
}

/** The forms of ops are known back to here. */
const OLDEST = 7;
/**
 * The model in the opset and IR version of the file it was read from, or in the lowest opset above that can say what it
 * holds. A model that was never brought up comes back as it is.
 */
export function inOwnOpset(model: Model): Settled {
  const { own, ...rest } = model;
  if (!own) return { model };
  const top = model.opsets['']!;
  const first = Math.max(own.opset, OLDEST);
  let why = `forms before opset ${OLDEST} are not known`;
  for (let opset = first; opset < top; ) {
    const { graph, unfit } = olderModel(model.graph, opset);
    if (!unfit) return settled(rest, graph, own, opset, why);
    ({ why } = unfit);
    opset = Math.max(opset + 1, unfit.needs);
  }
  return { model: rest, ...(first < top && { raised: { from: own.opset, to: top, why } }) };
}

function settled(rest: Model, graph: Graph, own: NonNullable<Model['own']>, opset: number, why: string): Settled {
  const lists = own.ir < LISTED_BELOW && graph.nodes.every((node) => graphsOf(node).every(isBare));
  const needed = opset === own.opset ? own.ir : irOf(opset);
  const ir = Math.max(needed, own.ir, lists ? 0 : LISTED_BELOW);
  return {
    model: {
      ...rest,
      ir,
      opsets: { ...rest.opsets, '': opset },
      graph: ir < LISTED_BELOW ? listing(graph) : graph,
    },
    ...(opset !== own.opset && { raised: { from: own.opset, to: opset, why } }),
  };
}

/** Before this IR version initialisers had to stand among the inputs. */
const LISTED_BELOW = 4;

const graphsOf = (node: Node): readonly Graph[] =>
  Object.values(node.attrs).flatMap((attr) =>
    attr.kind === 'graph' ? [attr.value] : attr.kind === 'graphs' ? attr.value : [],
  );

const isBare = (graph: Graph): boolean =>
  graph.initializers.size === 0 && graph.nodes.every((node) => graphsOf(node).every(isBare));

function listing(graph: Graph): Graph {
  const listed = new Set(graph.inputs.map(({ name }) => name));
  const weights = [...graph.initializers].filter(([name]) => !listed.has(name));
  const infos = weights.map(([name, { dtype, dims }]) => ({ name, type: { kind: 'tensor' as const, dtype, dims } }));
  return { ...graph, inputs: [...graph.inputs, ...infos] };
}

interface Unfit {
  readonly why: string;
  readonly needs: number;
}

/** The graph in the forms of an opset; what does not fit is told of the node that needs the latest one. */
function olderModel(graph: Graph, opset: number): { graph: Graph; unfit?: Unfit } {
  const read = new Set(readsIn(graph));
  const walk: Walk = { opset, fresh: freshNames(namesOf(graph)), read, dropped: new Set(), unfit: undefined };
  const older = olderGraph(graph, walk);
  return walk.unfit ? { graph, unfit: walk.unfit } : { graph: withoutDropped(older, walk.dropped) };
}

interface Walk {
  readonly opset: number;
  readonly fresh: (wish: string) => string;
  /** Values that somebody reads; what an op says of others does not matter. */
  readonly read: ReadonlySet<string>;
  /** Values that some node no longer reads. */
  readonly dropped: Set<string>;
  unfit: Unfit | undefined;
}

function olderGraph(graph: Graph, walk: Walk, outer?: Facts): Graph {
  const learner = learn(graph, {}, (name) => outer?.get(name));
  const initializers = new Map<string, Tensor>(graph.initializers);
  const nodes = graph.nodes.map((node) => {
    learner.see(node);
    const inner = inGraphs(node, (graph) => olderGraph(graph, walk, new Map([...(outer ?? []), ...learner.facts])));
    return olderNode(inner, walk, makerOf(node, walk, learner, initializers, outer));
  });
  const isSame = nodes.every((node, i) => node === graph.nodes[i]);
  return isSame ? graph : { ...graph, nodes, initializers };
}

function makerOf(
  node: Node,
  walk: Walk,
  learner: Learner,
  initializers: Map<string, Tensor>,
  outer: Facts | undefined,
): FormMaker {
  const about = (name: string) => learner.facts.get(name) ?? outer?.get(name);
  return {
    constant: (wish, value) => {
      const name = walk.fresh(`${node.name || node.op}_${wish}`);
      initializers.set(name, value);
      learner.facts.set(name, factOf(name, value));
      return name;
    },
    constantOf: (name) => about(name)?.constant,
    ints: (name) => knownInts(about(name)),
    rank: (name) => about(name)?.dims.length,
    dims: (name) => about(name)?.dims,
    dtype: (name) => about(name)?.dtype,
  };
}

function olderNode(node: Node, walk: Walk, make: FormMaker): Node {
  const row = rowOf(node);
  if (!row || row.domain !== '') return node;
  const refuse = (why: string, needs: number): Node => {
    if (needs > (walk.unfit?.needs ?? 0))
      walk.unfit = { why: `${node.op} "${node.name || node.outputs[0]}": ${why}`, needs };
    return node;
  };
  let form: HistoricNode = node;
  for (const { until, old } of (row.history ?? []).toReversed()) {
    if (walk.opset > until) continue;
    const older = old(form, make);
    if (typeof older === 'string') return refuse(older, until + 1);
    form = older;
  }
  const dtype = (name: string) => (walk.read.has(name) ? make.dtype(name) : undefined);
  const found = fit(form, row, walk.opset, dtype);
  if ('why' in found) return refuse(found.why, found.needs);
  if (found.node === node) return node;
  for (const name of node.inputs) if (!found.node.inputs.includes(name)) walk.dropped.add(name);
  return { ...node, ...found.node };
}

/** Without the constants that served forms of later opsets alone. */
function withoutDropped(graph: Graph, dropped: ReadonlySet<string>): Graph {
  const read = new Set(readsIn(graph));
  const isIdle = (name: string): boolean => dropped.has(name) && !read.has(name);
  const kept = (one: Graph): Graph => ({
    ...one,
    nodes: one.nodes
      .filter(({ inputs, outputs }) => inputs.length > 0 || !outputs.every(isIdle))
      .map((node) => inGraphs(node, kept)),
    initializers: new Map([...one.initializers].filter(([name]) => !isIdle(name))),
  });
  return [...dropped].some(isIdle) ? kept(graph) : graph;
}

const readsIn = (graph: Graph): string[] => [
  ...graph.outputs.map(({ name }) => name),
  ...graph.nodes.flatMap((node) => [...node.inputs, ...graphsOf(node).flatMap(readsIn)]),
];

/** The node with its sub-graphs changed; the node itself where none changes. */
function inGraphs(node: Node, change: (graph: Graph) => Graph): Node {
  if (graphsOf(node).length === 0) return node;
  let isSame = true;
  const changed = (graph: Graph): Graph => {
    const made = change(graph);
    isSame &&= made === graph;
    return made;
  };
  const attrs = Object.entries(node.attrs).map(([key, attr]): [string, Attr] => {
    if (attr.kind === 'graph') return [key, { kind: 'graph', value: changed(attr.value) }];
    return [key, attr.kind === 'graphs' ? { kind: 'graphs', value: attr.value.map(changed) } : attr];
  });
  return isSame ? node : { ...node, attrs: Object.fromEntries(attrs) };
}
