/**
 * Integer operators in place of pairs: for engines that do not fuse pairs, or fuse them badly.
 *
 *   DQ → op → Q   becomes   QLinearOp(x, sx, zx, …, sy, zy)
 *
 * What only moves elements works on the integers themselves. An op without a row keeps its pairs.
 * Source   ONNX operators QLinearConv and QLinearMatMul; ONNX Runtime, docs/ContribOperators.md, for the others.
 */

import { consumers, producers, removeDead } from '../graph/edit.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { rowOf } from '../ops/index.ts';
import { quantOf } from '../ops/infer.ts';

const MICROSOFT = 'com.microsoft';

/** An operand as integers: the names of codes, scale and zero point. */
type Operand = readonly [codes: string, scale: string, zero: string];

interface Form {
  readonly op: string;
  readonly domain?: string;
  /** The inputs, from the operands, the codes of a bias and the result's scale and zero point. */
  readonly inputs: (operands: readonly Operand[], bias: string, result: readonly string[]) => readonly string[];
  /** Has it a bias in place 2, stored as int32? */
  readonly hasBias?: true;
}

const flat = (operands: readonly Operand[], _: string, result: readonly string[]): string[] => [
  ...operands.flat(),
  ...result,
];
const microsoft = (op: string): Form => ({ op, domain: MICROSOFT, inputs: flat });

const FORMS: Readonly<Record<string, Form>> = {
  Conv: { op: 'QLinearConv', inputs: (x, bias, y) => [...x.flat(), ...y, ...(bias ? [bias] : [])], hasBias: true },
  MatMul: { op: 'QLinearMatMul', inputs: flat },
  Gemm: { op: 'QGemm', domain: MICROSOFT, inputs: (x, bias, y) => [...x.flat(), bias, ...y], hasBias: true },
  Add: microsoft('QLinearAdd'),
  Mul: microsoft('QLinearMul'),
  Sigmoid: microsoft('QLinearSigmoid'),
  LeakyRelu: microsoft('QLinearLeakyRelu'),
  AveragePool: microsoft('QLinearAveragePool'),
  GlobalAveragePool: microsoft('QLinearGlobalAveragePool'),
  Concat: { op: 'QLinearConcat', domain: MICROSOFT, inputs: (x, _, y) => [...y, ...x.flat()] },
};

/** The model with integer operators; nodes without such a form keep their pairs. */
export function toQOperators(model: Model): Model {
  const { graph } = model;
  const made = producers(graph);
  const readers = consumers(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const dequantized = (name: string): Operand | undefined => {
    const node = made.get(name);
    return node?.op === 'DequantizeLinear' && node.inputs.length === 3
      ? (node.inputs as unknown as Operand)
      : undefined;
  };
  const quantizer = (name: string): Node | undefined => {
    const [reader, ...more] = readers.get(name) ?? [];
    return more.length === 0 && reader?.op === 'QuantizeLinear' && !outputs.has(name) ? reader : undefined;
  };
  const replaced = new Map<Node, Node>();
  const gone = new Set<Node>();
  for (const node of graph.nodes) {
    const behind = node.outputs.length === 1 ? quantizer(node.outputs[0]!) : undefined;
    if (!behind || node.domain !== '') continue;
    const integer = integerNode(node, graph, behind, dequantized, made);
    if (!integer) continue;
    replaced.set(node, integer);
    gone.add(behind);
  }
  const nodes = graph.nodes.filter((node) => !gone.has(node)).map((node) => replaced.get(node) ?? node);
  const written: Graph = removeDead({ ...graph, nodes });
  return { ...model, opsets: { ...model.opsets, [MICROSOFT]: 1 }, graph: written };
}

function integerNode(
  node: Node,
  graph: Graph,
  behind: Node,
  dequantized: (name: string) => Operand | undefined,
  made: ReadonlyMap<string, Node>,
): Node | undefined {
  const output = behind.outputs[0]!;
  const form = FORMS[node.op];
  if (!form) {
    // What moves elements on one grid moves integers as well.
    const x = dequantized(node.inputs[0] ?? '');
    const isSame = x && x[1] === behind.inputs[1] && x[2] === behind.inputs[2];
    const row = rowOf(node);
    const quant = row && quantOf(row, node, graph);
    const moves = quant?.kind === 'passes' && !quant.padding;
    return isSame && moves ? { ...node, inputs: [x[0], ...node.inputs.slice(1)], outputs: [output] } : undefined;
  }
  const data = form.hasBias ? node.inputs.slice(0, 2) : node.inputs;
  const operands = data.map(dequantized);
  if (!operands.every((operand) => operand !== undefined)) return undefined;
  const biasNode = form.hasBias && node.inputs[2] ? made.get(node.inputs[2]) : undefined;
  if (form.hasBias && node.inputs[2] && biasNode?.op !== 'DequantizeLinear') return undefined;
  const bias = biasNode?.inputs[0] ?? '';
  const inputs = form.inputs(operands, bias, behind.inputs.slice(1));
  const { beta: _, ...attrs } = node.attrs;
  return { ...node, op: form.op, domain: form.domain ?? '', inputs, outputs: [output], attrs };
}
