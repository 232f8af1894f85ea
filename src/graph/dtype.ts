/** The element types of ONNX tensors: their names, their codes in the file, and how they lie in memory. */

/** Names as ONNX Runtime's JavaScript uses them. */
export type DType = keyof typeof DTYPES;

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

interface DTypeFacts {
  /** TensorProto.DataType in onnx.proto. */
  readonly code: number;
  /** Bits per element; 0 where elements have no fixed size (string). */
  readonly bits: number;
  /** The typed array that holds its elements (16-bit floats as their bits, sub-byte types packed). */
  readonly array: {
    new (buffer: ArrayBufferLike, offset?: number, length?: number): TypedArray;
    BYTES_PER_ELEMENT: number;
  };
  readonly float?: true;
}

export const DTYPES = {
  float32: { code: 1, bits: 32, array: Float32Array, float: true },
  uint8: { code: 2, bits: 8, array: Uint8Array },
  int8: { code: 3, bits: 8, array: Int8Array },
  uint16: { code: 4, bits: 16, array: Uint16Array },
  int16: { code: 5, bits: 16, array: Int16Array },
  int32: { code: 6, bits: 32, array: Int32Array },
  int64: { code: 7, bits: 64, array: BigInt64Array },
  string: { code: 8, bits: 0, array: Uint8Array },
  bool: { code: 9, bits: 8, array: Uint8Array },
  float16: { code: 10, bits: 16, array: Uint16Array, float: true },
  float64: { code: 11, bits: 64, array: Float64Array, float: true },
  uint32: { code: 12, bits: 32, array: Uint32Array },
  uint64: { code: 13, bits: 64, array: BigUint64Array },
  complex64: { code: 14, bits: 64, array: Float32Array },
  complex128: { code: 15, bits: 128, array: Float64Array },
  bfloat16: { code: 16, bits: 16, array: Uint16Array, float: true },
  float8e4m3fn: { code: 17, bits: 8, array: Uint8Array, float: true },
  float8e4m3fnuz: { code: 18, bits: 8, array: Uint8Array, float: true },
  float8e5m2: { code: 19, bits: 8, array: Uint8Array, float: true },
  float8e5m2fnuz: { code: 20, bits: 8, array: Uint8Array, float: true },
  uint4: { code: 21, bits: 4, array: Uint8Array },
  int4: { code: 22, bits: 4, array: Uint8Array },
  float4e2m1: { code: 23, bits: 4, array: Uint8Array, float: true },
  float8e8m0: { code: 24, bits: 8, array: Uint8Array, float: true },
  uint2: { code: 25, bits: 2, array: Uint8Array },
  int2: { code: 26, bits: 2, array: Uint8Array },
} as const satisfies Record<string, DTypeFacts>;

const BY_CODE = new Map<number, DType>(Object.entries(DTYPES).map(([name, { code }]) => [code, name as DType]));

/** The dtype with this code in onnx.proto, or undefined for a code that this version does not know. */
export const dtypeOf = (code: number): DType | undefined => BY_CODE.get(code);

export const factsOf = (dtype: DType): DTypeFacts => DTYPES[dtype];

export const isFloat = (dtype: DType): boolean => factsOf(dtype).float === true;

/** Bytes that `count` elements take in raw_data (sub-byte types are packed, the last byte padded). */
export const byteLength = (dtype: DType, count: number): number => Math.ceil((count * factsOf(dtype).bits) / 8);

/** The least and greatest integer of an integer type; undefined for others, and for 64 bits, which a number does not hold. */
export function limitsOf(dtype: DType): readonly [number, number] | undefined {
  const { bits } = factsOf(dtype);
  if (bits > 32) return undefined;
  if (dtype.startsWith('uint')) return [0, 2 ** bits - 1];
  return dtype.startsWith('int') ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : undefined;
}
