/** The smallest ONNX writer: just enough protobuf for the few-node graphs that ask an engine what it can do. */

export interface TinyValue {
  readonly name: string;
  /** TensorProto.DataType; default 1, float32. */
  readonly code?: number;
  /** Symbols as strings. Left out: rank unknown. */
  readonly dims?: readonly (number | string)[];
  /** No type at all: the engine infers it. */
  readonly untyped?: true;
}

export interface TinyNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly domain?: string;
  readonly name?: string;
  readonly ints?: Readonly<Record<string, number>>;
}

export interface TinyModel {
  readonly nodes: readonly TinyNode[];
  readonly inputs: readonly TinyValue[];
  readonly outputs: readonly TinyValue[];
  /** Version by domain; default ai.onnx 21. */
  readonly opsets?: Readonly<Record<string, number>>;
  /** float32 weights. */
  readonly weights?: Readonly<Record<string, { dims: readonly number[]; data: Float32Array }>>;
}

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
const integer = (field: number, value: number): number[] => [...varint(field * 8), ...varint(value)];
const encoder = new TextEncoder();

/** A length-delimited field. */
function blob(field: number, content: string | ArrayLike<number>): number[] {
  const bytes = Array.from(typeof content === 'string' ? encoder.encode(content) : content);
  return [...varint(field * 8 + 2), ...varint(bytes.length), ...bytes];
}

const dimension = (dim: number | string): number[] => blob(1, typeof dim === 'string' ? blob(2, dim) : integer(1, dim));

// ValueInfoProto: name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 } } }
const valueInfo = ({ name, code = 1, dims, untyped }: TinyValue): number[] => [
  ...blob(1, name),
  ...(untyped ? [] : blob(2, blob(1, [...integer(1, code), ...(dims ? blob(2, dims.flatMap(dimension)) : [])]))),
];

// AttributeProto: name 1, i 3, type 20 (INT = 2)
const attribute = ([name, value]: [string, number]): number[] => [
  ...blob(1, name),
  ...integer(3, value),
  ...integer(20, 2),
];

// NodeProto: input 1, output 2, name 3, op_type 4, attribute 5, domain 7
const nodeProto = ({ op, inputs, outputs, name = '', domain = '', ints = {} }: TinyNode): number[] => [
  ...inputs.flatMap((input) => blob(1, input)),
  ...outputs.flatMap((output) => blob(2, output)),
  ...blob(3, name),
  ...blob(4, op),
  ...Object.entries(ints).flatMap((entry) => blob(5, attribute(entry))),
  ...blob(7, domain),
];

/** ModelProto bytes, IR version 10. */
export function tinyOnnx({ nodes, inputs, outputs, opsets = { '': 21 }, weights = {} }: TinyModel): Uint8Array {
  // TensorProto: dims 1, data_type 2, name 8, raw_data 9
  const tensors = Object.entries(weights).map(([name, { dims, data }]) => [
    ...dims.flatMap((dim) => integer(1, dim)),
    ...integer(2, 1),
    ...blob(8, name),
    ...blob(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  ]);
  // GraphProto: node 1, name 2, initializer 5, input 11, output 12
  const graph = [
    ...nodes.flatMap((node) => blob(1, nodeProto(node))),
    ...blob(2, 'tiny'),
    ...tensors.flatMap((tensor) => blob(5, tensor)),
    ...inputs.flatMap((value) => blob(11, valueInfo(value))),
    ...outputs.flatMap((value) => blob(12, valueInfo(value))),
  ];
  // ModelProto: ir_version 1, graph 7, opset_import 8 { domain 1, version 2 }
  const imports = Object.entries(opsets).flatMap(([domain, version]) =>
    blob(8, [...blob(1, domain), ...integer(2, version)]),
  );
  return Uint8Array.from([...integer(1, 10), ...blob(7, graph), ...imports]);
}
