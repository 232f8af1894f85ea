/** Brings a model to the opset that the rows speak: old forms of ops are rewritten by their own rows. Names no op. */

import { PareError } from '../base/error.ts';
import { freshNames, namesOf } from '../graph/edit.ts';
import { inlineFunctions } from '../graph/functions.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import type { Tensor } from '../graph/tensor.ts';
import { knownInts } from './answer.ts';
import { rowOf } from './index.ts';
import { type Facts, factOf, learn } from './infer.ts';
import type { HistoricNode } from './op.ts';
import { irOf } from './version.ts';

/** The ai.onnx version in which rows are written. */
export const MODERN_OPSET = 21;

/**
 * The same model in today's forms: attributes that became inputs are inputs, changed defaults are written out, functions
 * of the model's own are inlined.
 * A model that is modern already comes back as it is; one that was brought up remembers its `own` versions, in which it is
 * written where they can say it (see own-opset.ts).
 */
export function modernize(given: Model): Model {
  const model = inlineFunctions(given);
  const opset = model.opsets[''] ?? model.opsets['ai.onnx'] ?? MODERN_OPSET;
  if (opset >= MODERN_OPSET) return model;
  const { 'ai.onnx': _, ...opsets } = model.opsets;
  return {
    ...model,
    ir: Math.max(model.ir, irOf(MODERN_OPSET)),
    opsets: { ...opsets, '': MODERN_OPSET },
    own: { opset, ir: model.ir },
    graph: modernGraph(withoutDefaults(model), opset, freshNames(namesOf(model.graph))),
  };
}

/**
 * Before IR version 4 every initialiser had to stand among the inputs; listed there today it would count as replaceable,
 * and the engine would neither fold it nor lay it out ahead.
 */
const withoutDefaults = ({ graph, ir }: Model): Graph =>
  ir >= 4 ? graph : { ...graph, inputs: graph.inputs.filter(({ name }) => !graph.initializers.has(name)) };

/** Opsets up to this one only added ops and element types to MODERN_OPSET: a model may say it and mean the same. */
const LATEST_PURE = 23;

/**
 * The model in today's forms, which is written in `opset` or a later one, so that it may hold ops that came later.
 *
 * Throws   op/opset for a version above 23, whose changes to older ops are not known here.
 */
export function raiseOpset(model: Model, opset: number): Model {
  const { own, ...modern } = modernize(model);
  if (opset > LATEST_PURE) {
    throw new PareError('op/opset', `A model cannot be raised to opset ${opset}.`, {
      expected: `up to ${LATEST_PURE}`,
      got: `${opset}`,
    });
  }
  const [now, ir] = [modern.opsets['']!, Math.max(own?.ir ?? modern.ir, irOf(opset))];
  if (opset > now) return { ...modern, ir: Math.max(modern.ir, ir), opsets: { ...modern.opsets, '': opset } };
  if (!own || opset === now) return modern;
  return { ...modern, own: opset > own.opset ? { opset, ir } : own };
}

function modernGraph(graph: Graph, opset: number, fresh: (wish: string) => string, outer?: Facts): Graph {
  // Node by node: only today's form of what came before tells the shapes that the next old form is read by.
  const learner = learn(graph, {}, (name) => outer?.get(name));
  const about = (name: string) => learner.facts.get(name) ?? outer?.get(name);
  const initializers = new Map<string, Tensor>(graph.initializers);
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const inner = withModernGraphs(node, opset, fresh, () => new Map([...(outer ?? []), ...learner.facts]));
    const steps = (rowOf(node)?.history ?? []).filter(({ until }) => opset <= until);
    const before: HistoricNode[] = [];
    const after: HistoricNode[] = [];
    const make = {
      constant: (wish: string, value: Tensor) => {
        const name = fresh(`${node.name || node.op}_${wish}`);
        initializers.set(name, value);
        learner.facts.set(name, factOf(name, value));
        return name;
      },
      constantOf: (name: string) => about(name)?.constant,
      ints: (name: string) => knownInts(about(name)),
      rank: (name: string) => about(name)?.dims.length,
      dims: (name: string) => about(name)?.dims,
      dtype: (name: string) => about(name)?.dtype,
      before: (extra: HistoricNode) => void before.push(extra),
      after: (extra: HistoricNode) => void after.push(extra),
      fresh,
    };
    const now = steps.reduce<HistoricNode | null>(
      (form, { modern }) => (form && modern ? modern(form, make) : form),
      inner,
    );
    const asNode = (extra: HistoricNode): Node => ({
      domain: '',
      name: fresh(`${node.name || node.op}_${extra.op}`),
      ...extra,
    });
    const today = [
      ...before.map(asNode),
      ...(now ? [now === inner ? inner : { ...inner, ...now }] : []),
      ...after.map(asNode),
    ];
    for (const one of today) learner.see(one);
    nodes.push(...today);
  }
  // Stated types of inner values may be those of another batch size, and the engine would believe them.
  const values = new Map([...graph.values].filter(([name]) => !learner.facts.has(name)));
  return { ...graph, nodes, initializers, values };
}

function withModernGraphs(node: Node, opset: number, fresh: (wish: string) => string, facts: () => Facts): Node {
  const graphs = Object.entries(node.attrs).filter(([, attr]) => attr.kind === 'graph');
  if (graphs.length === 0) return node;
  const attrs = { ...node.attrs };
  for (const [key, attr] of graphs) {
    if (attr.kind === 'graph') attrs[key] = { kind: 'graph', value: modernGraph(attr.value, opset, fresh, facts()) };
  }
  return { ...node, attrs };
}
