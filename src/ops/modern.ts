/** Brings a model to the opset that the rows speak: old forms of ops are rewritten by their own rows. Names no op. */

import { PareError } from '../base/error.ts';
import { freshNames, namesOf } from '../graph/edit.ts';
import { inlineFunctions } from '../graph/functions.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import type { Tensor } from '../graph/tensor.ts';
import { rowOf } from './index.ts';
import { type Facts, factOf, learn } from './infer.ts';
import type { HistoricNode } from './op.ts';

/** The ai.onnx version in which rows are written, and its IR version. */
export const MODERN_OPSET = 21;
const MODERN_IR = 10;

/**
 * The same model in today's forms: attributes that became inputs are inputs, changed defaults are written out, functions
 * of the model's own are inlined.
 * A model that is modern already comes back as it is.
 */
export function modernize(given: Model): Model {
  const model = inlineFunctions(given);
  const opset = model.opsets[''] ?? model.opsets['ai.onnx'] ?? MODERN_OPSET;
  if (opset >= MODERN_OPSET) return model;
  const { 'ai.onnx': _, ...opsets } = model.opsets;
  return {
    ...model,
    ir: Math.max(model.ir, MODERN_IR),
    opsets: { ...opsets, '': MODERN_OPSET },
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
const IR_OF: Readonly<Record<number, number>> = { 22: 10, 23: 11 };

/**
 * The model in today's forms, saying at least `opset`, so that it may hold ops that came later.
 *
 * Throws   op/opset for a version above 23, whose changes to older ops are not known here.
 */
export function raiseOpset(model: Model, opset: number): Model {
  const modern = modernize(model);
  const now = modern.opsets['']!;
  if (opset <= now) return modern;
  if (opset > LATEST_PURE) {
    throw new PareError('op/opset', `A model cannot be raised to opset ${opset}.`, {
      expected: `up to ${LATEST_PURE}`,
      got: `${opset}`,
    });
  }
  return { ...modern, ir: Math.max(modern.ir, IR_OF[opset] ?? 0), opsets: { ...modern.opsets, '': opset } };
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
      rank: (name: string) => about(name)?.dims.length,
      dims: (name: string) => about(name)?.dims,
      dtype: (name: string) => about(name)?.dtype,
      before: (extra: HistoricNode) => void before.push(extra),
      after: (extra: HistoricNode) => void after.push(extra),
      fresh,
    };
    const now = steps.reduce<HistoricNode | null>((form, { modern }) => form && modern(form, make), inner);
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
