/**
 * LSTMs on dynamic integers: weights as int8, what they read rounded at each step.
 *
 *   W [D, 4H, I] → Wq [D, I, 4H],  R [D, 4H, H] → Rq [D, H, 4H]        a scale for each of the D · 4H gate rows
 *
 * The engine's kernel is com.microsoft DynamicQuantizeLSTM. Inside If, Loop and Scan it would pack the integers anew at each run, which takes longer
 * than it saves: there the LSTM stays in floats.
 * Source   ONNX Runtime, docs/ContribOperators.md (DynamicQuantizeLSTM).
 */

import { freshNames, namesOf, removeDead } from '../graph/edit.ts';
import type { Attr, Graph, Model, Node } from '../graph/model.ts';
import { float32, floats, type Tensor, tensor } from '../graph/tensor.ts';
import type { Kept } from './plan.ts';

export interface DynamicLstmOptions {
  /** Node names, names of their first output, or op types that stay in floats. */
  exclude?: readonly string[];
  /** Keep codes within 7 bits, for processors that add pairs of products in 16. Default false. */
  pairSafe?: boolean;
}

const [W, R, PEEPHOLES] = [1, 2, 7];

/** The model with the LSTMs that the engine has an integer kernel for on it; weights that nothing reads any more are gone. */
export function quantizeLstms(
  model: Model,
  { exclude = [], pairSafe = false }: DynamicLstmOptions = {},
): { model: Model; replaced: string[]; kept: Kept[] } {
  const fresh = freshNames(namesOf(model.graph));
  const constants = new Map(model.graph.initializers);
  const integers = new Map<string, readonly [codes: string, scales: string]>();
  const replaced: string[] = [];
  const kept: Kept[] = [];
  const limit = pairSafe ? 63 : 127;

  const constant = (wish: string, value: Tensor): string => {
    const name = fresh(wish);
    constants.set(name, value);
    return name;
  };
  const asIntegers = (name: string): readonly [string, string] => {
    let made = integers.get(name);
    if (!made) {
      const { codes, scales } = turned(constants.get(name)!, limit);
      made = [constant(`${name}_q`, codes), constant(`${name}_s`, scales)];
      integers.set(name, made);
    }
    return made;
  };
  const inNode = (node: Node, isInside: boolean): Node => {
    const attrs = Object.fromEntries(Object.entries(node.attrs).map(([key, attr]) => [key, inAttr(attr)]));
    if (node.op !== 'LSTM' || node.domain !== '') return { ...node, attrs };
    const label = node.name || node.outputs.find((name) => name !== '')!;
    const why = [node.name, node.outputs[0]!, node.op].some((name) => exclude.includes(name))
      ? 'excluded'
      : isInside
        ? 'integers are slower inside a sub-graph'
        : misfit(node, constants);
    if (why !== undefined) {
      kept.push({ node: label, op: node.op, why });
      return { ...node, attrs };
    }
    const [wq, ws] = asIntegers(node.inputs[W]!);
    const [rq, rs] = asIntegers(node.inputs[R]!);
    const [x, , , ...others] = node.inputs;
    const zero = (scales: string): string =>
      constant(
        `${scales}_zero`,
        tensor('int8', constants.get(scales)!.dims, new Int8Array(floats(constants.get(scales)!).length)),
      );
    const padded = [...others, '', '', '', '', ''].slice(0, PEEPHOLES - 2);
    replaced.push(label);
    const { layout: _, ...rest } = attrs;
    return {
      ...node,
      op: 'DynamicQuantizeLSTM',
      domain: 'com.microsoft',
      inputs: [x!, wq, rq, ...padded, ws, zero(ws), rs, zero(rs)],
      attrs: rest,
    };
  };
  const inGraph = (graph: Graph): Graph => ({ ...graph, nodes: graph.nodes.map((node) => inNode(node, true)) });
  const inAttr = (attr: Attr): Attr => {
    if (attr.kind === 'graph') return { ...attr, value: inGraph(attr.value) };
    if (attr.kind === 'graphs') return { ...attr, value: attr.value.map(inGraph) };
    return attr;
  };
  const nodes = model.graph.nodes.map((node) => inNode(node, false));
  if (replaced.length === 0) return { model, replaced, kept };
  const graph = removeDead({ ...model.graph, nodes, initializers: constants });
  return { model: { ...model, graph, opsets: { ...model.opsets, 'com.microsoft': 1 } }, replaced, kept };
}

/** Why the kernel cannot stand for this LSTM, or undefined. */
function misfit({ inputs, attrs }: Node, constants: ReadonlyMap<string, Tensor>): string | undefined {
  if (attrs['layout']?.kind === 'int' && attrs['layout'].value !== 0) return 'its batch axis comes first';
  if (inputs[PEEPHOLES]) return 'it has peepholes';
  for (const slot of [W, R]) {
    const weight = constants.get(inputs[slot] ?? '');
    if (!weight) return 'its weights are computed';
    if (weight.dtype !== 'float32') return `its weights are ${weight.dtype}`;
  }
  return undefined;
}

/** [D, G, K] float32 as codes [D, K, G] and scales [D, G]. */
function turned(weight: Tensor, limit: number): { codes: Tensor; scales: Tensor } {
  const [D, G, K] = weight.dims as [number, number, number];
  const w = floats(weight);
  const codes = new Int8Array(w.length);
  const scales = new Float32Array(D * G);
  for (let row = 0; row < D * G; row++) {
    let peak = 0;
    for (let k = 0; k < K; k++) peak = Math.max(peak, Math.abs(w[row * K + k]!));
    const scale = Math.fround(peak / limit) || 1;
    scales[row] = scale;
    const [d, g] = [Math.floor(row / G), row % G];
    for (let k = 0; k < K; k++) codes[(d * K + k) * G + g] = Math.round(w[row * K + k]! / scale);
  }
  return { codes: tensor('int8', [D, K, G], codes), scales: float32([D, G], scales) };
}
