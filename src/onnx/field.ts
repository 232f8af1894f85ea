/** Field numbers of the messages of onnx.proto (ONNX 1.22, IR version 13) that Pare reads. The rest travels as bytes. */

export const MODEL = {
  ir: 1,
  producerName: 2,
  producerVersion: 3,
  domain: 4,
  version: 5,
  doc: 6,
  graph: 7,
  opset: 8,
  metadata: 14,
  function: 25,
} as const;

export const FUNCTION = {
  name: 1,
  input: 4,
  output: 5,
  node: 7,
  opset: 9,
  domain: 10,
  fallback: 11,
  overload: 13,
} as const;

export const OPSET = { domain: 1, version: 2 } as const;

/** StringStringEntryProto. */
export const ENTRY = { key: 1, value: 2 } as const;

export const GRAPH = {
  node: 1,
  name: 2,
  initializer: 5,
  doc: 10,
  input: 11,
  output: 12,
  value: 13,
  sparse: 15,
  metadata: 16,
} as const;

export const NODE = {
  input: 1,
  output: 2,
  name: 3,
  op: 4,
  attr: 5,
  doc: 6,
  domain: 7,
  overload: 8,
  metadata: 9,
} as const;

export const ATTR = {
  name: 1,
  f: 2,
  i: 3,
  s: 4,
  t: 5,
  g: 6,
  floats: 7,
  ints: 8,
  strings: 9,
  graphs: 11,
  type: 20,
  reference: 21,
} as const;

/** AttributeProto.AttributeType. */
export const ATTR_TYPE = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  graphs: 10,
} as const;

export const VALUE = { name: 1, type: 2, doc: 3, metadata: 4 } as const;

export const TYPE = { tensor: 1, denotation: 6 } as const;
export const TENSOR_TYPE = { dtype: 1, shape: 2 } as const;
export const SHAPE = { dim: 1 } as const;
export const DIM = { value: 1, symbol: 2 } as const;

export const TENSOR = {
  dims: 1,
  dtype: 2,
  floats: 4,
  int32s: 5,
  strings: 6,
  int64s: 7,
  name: 8,
  raw: 9,
  doubles: 10,
  uint64s: 11,
  external: 13,
  location: 14,
  /** Our own, from the range that protobuf keeps from all files: stands in a skeleton where the elements stood. */
  elsewhere: 19_000,
} as const;

export const SPARSE = { values: 1, indices: 2, dims: 3 } as const;

/** TensorProto.DataLocation. */
export const EXTERNAL = 1;
