/** A model as text, one line a node, for people and for diffs. */

import { type DType, factsOf, isFloat } from './dtype.ts';
import type { Attr, Graph, Model, Node, ValueInfo } from './model.ts';
import { elements, numbers, sizeOf, type Tensor } from './tensor.ts';

/** Weights of so many elements or fewer are shown in full. */
const SHOWN = 6;
/** Lists in attributes are cut after so many entries. */
const LISTED = 16;

/**
 * The model as text.
 *
 * @example
 * printModel(model)
 * // model "net"  ir 8  ai.onnx 17
 * //   input  %x: float32[N, 4]
 * //   weight %w: float32[4, 3]
 * //   %y: float32[N, 3] = Gemm(%x, %w) {alpha: 0.5}
 * //   output %y: float32[N, 3]
 */
export function printModel(model: Model): string {
  const opsets = Object.entries(model.opsets).map(([domain, version]) => `${domain || 'ai.onnx'} ${version}`);
  const producer = [model.producer.name, model.producer.version].filter(Boolean).join(' ');
  const head = [`model "${model.graph.name}"`, `ir ${model.ir}`, ...opsets, ...(producer ? [`by ${producer}`] : [])];
  return [head.join('  '), ...graphLines(model.graph).map((line) => `  ${line}`)].join('\n');
}

function graphLines(graph: Graph): string[] {
  const types = new Map(graph.values);
  for (const info of graph.outputs) types.set(info.name, info);
  return [
    ...graph.inputs
      .filter(({ name }) => !graph.initializers.has(name))
      .map((info) => `input  %${info.name}${typeText(info)}`),
    ...[...graph.initializers].map(([name, tensor]) => `weight %${name}: ${tensorText(tensor)}`),
    ...graph.nodes.flatMap((node) => nodeLines(node, types)),
    ...graph.outputs.map((info) => `output %${info.name}${typeText(info)}`),
  ];
}

function nodeLines(node: Node, types: ReadonlyMap<string, ValueInfo>): string[] {
  const outputs = node.outputs.map((name) => (name ? `%${name}${typeText(types.get(name))}` : '_'));
  const inputs = node.inputs.map((name) => (name ? `%${name}` : '_'));
  const attrs = Object.entries(node.attrs);
  const plain = attrs.filter(([, attr]) => !('graph' === attr.kind || 'graphs' === attr.kind));
  const op = `${node.domain ? `${node.domain}.` : ''}${node.op}`;
  const tail = plain.length > 0 ? ` {${plain.map(([name, attr]) => `${name}: ${attrText(attr)}`).join(', ')}}` : '';
  const inner = attrs.flatMap(([name, attr]) => {
    const graphs = attr.kind === 'graph' ? [attr.value] : attr.kind === 'graphs' ? attr.value : [];
    return graphs.flatMap((graph) => [`  ${name}:`, ...graphLines(graph).map((line) => `    ${line}`)]);
  });
  return [`${outputs.join(', ')} = ${op}(${inputs.join(', ')})${tail}`, ...inner];
}

function typeText(info: ValueInfo | undefined): string {
  const type = info?.type;
  if (!type) return '';
  if (type.kind === 'opaque') return ': (no tensor)';
  return `: ${type.dtype}[${type.dims ? type.dims.map((dim) => dim ?? '?').join(', ') : '…'}]`;
}

function attrText(attr: Attr): string {
  switch (attr.kind) {
    case 'float':
      return numberText(attr.value, 'float32');
    case 'floats':
      return listText(attr.value.map((value) => numberText(value, 'float32')));
    case 'int':
      return `${attr.value}`;
    case 'ints':
      return listText(attr.value.map(String));
    case 'string':
      return JSON.stringify(attr.value);
    case 'strings':
      return listText(attr.value.map((text) => JSON.stringify(text)));
    case 'tensor':
      return tensorText(attr.value);
    default:
      return '(not read)';
  }
}

const listText = (items: readonly string[]): string =>
  `[${items.slice(0, LISTED).join(', ')}${items.length > LISTED ? `, … ${items.length} in all` : ''}]`;

/** "float32[2] = 1, 0.5": the elements only where they are few and already in memory. */
function tensorText(tensor: Tensor): string {
  const { dtype, dims } = tensor;
  const type = `${dtype}[${dims.join(', ')}]`;
  const size = sizeOf(dims);
  const property = dtype === 'string' ? 'strings' : 'bytes';
  const waiting = Object.getOwnPropertyDescriptor(tensor, property)?.get !== undefined;
  if (size === 0 || size > SHOWN || waiting) return type;
  if (dtype === 'string') return `${type} = ${tensor.strings?.map((text) => JSON.stringify(text)).join(', ')}`;
  const { bits } = factsOf(dtype);
  const readable = bits <= 64 && dtype !== 'complex64' && (isFloat(dtype) ? bits >= 16 : bits >= 4);
  if (!readable || tensor.bytes.length * 8 < size * bits) return type;
  const values =
    bits === 64 && !isFloat(dtype)
      ? Array.from(elements(tensor), String)
      : numbers(tensor).map((value) => numberText(value, dtype));
  return `${type} = ${values.join(', ')}`;
}

/** Floats to seven digits, as many as a float32 holds; integers in full. */
const numberText = (value: number, dtype: DType): string => `${isFloat(dtype) ? Number(value.toPrecision(7)) : value}`;
