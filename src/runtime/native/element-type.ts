/** ONNX Runtime's numbers for element types: it takes those of onnx.proto, but answers with its own above 23. */

import { DTYPES, type DType, dtypeOf } from '../../graph/dtype.ts';

/** `ONNXTensorElementDataType` lists the newest three in another order than onnx.proto (measured with 1.30). */
const ANSWERED: Readonly<Record<number, DType>> = { 24: 'uint2', 25: 'int2', 26: 'float8e8m0' };

/** The number that creates a value of this dtype. */
export const codeFor = (dtype: DType): number => DTYPES[dtype].code;
/** The dtype that the engine means by a number, or undefined for one that this version does not know. */
export const dtypeFor = (code: number): DType | undefined => ANSWERED[code] ?? dtypeOf(code);
