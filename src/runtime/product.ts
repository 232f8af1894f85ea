/** Products of matrices in float64 by the engine, for linear algebra that is too large for loops. */

import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { elements, type Tensor } from '../graph/tensor.ts';
import { type Matrix, matrix, type Product, product } from '../linear/matrix.ts';
import { writeModel } from '../onnx/index.ts';
import type { Lab } from './lab.ts';

/** Multiply-adds below which a call costs more than it saves. */
const FEW = 2 ** 15;

/** A · B of any shapes; to be disposed. */
export async function openProduct({ engine, threads, signal }: Lab): Promise<{ product: Product } & Disposable> {
  const session = await engine.load(writeModel(MODEL), threads === undefined ? {} : { threads });
  return {
    async product(A, B) {
      if (A.rows * A.columns * B.columns < FEW) return product(A, B);
      const { C } = await session.run({ A: float64(A), B: float64(B) }, ['C'], signal);
      return matrix(A.rows, B.columns, elements(C!) as Float64Array);
    },
    [Symbol.dispose]: () => session[Symbol.dispose](),
  };
}

const float64 = ({ rows, columns, data }: Matrix): Tensor => ({
  dtype: 'float64',
  dims: [rows, columns],
  bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
});

const MODEL: Model = {
  ir: 8,
  opsets: { '': 17 },
  producer: { name: '', version: '' },
  metadata: {},
  graph: {
    name: 'product',
    nodes: [{ op: 'MatMul', domain: '', name: '', inputs: ['A', 'B'], outputs: ['C'], attrs: {} }],
    inputs: [valueInfo('A', 'float64', ['m', 'k']), valueInfo('B', 'float64', ['k', 'n'])],
    outputs: [valueInfo('C', 'float64', ['m', 'n'])],
    initializers: new Map(),
    values: new Map(),
  },
};
