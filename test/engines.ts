/** What the tests of engines share: small models, samples for them, and the two engines themselves. */

import { afterAll, beforeAll, describe, expect } from 'vitest';
import { PareError } from '../src/base/error.ts';
import { DTYPES, type DType } from '../src/graph/dtype.ts';
import { float32 } from '../src/graph/tensor.ts';
import type { Engine, Session } from '../src/runtime/engine.ts';
import { openEngine } from '../src/runtime/open.ts';
import { tinyOnnx } from '../src/runtime/tiny-onnx.ts';

export const ADD = tinyOnnx({
  nodes: [{ op: 'Add', name: 'sum', inputs: ['a', 'b'], outputs: ['c'] }],
  inputs: [
    { name: 'a', dims: ['N', 3] },
    { name: 'b', dims: [3] },
  ],
  outputs: [{ name: 'c', dims: ['N', 3] }],
});

export const MATMUL = tinyOnnx({
  nodes: [
    { op: 'MatMul', name: 'product', inputs: ['x', 'w'], outputs: ['h'] },
    { op: 'Relu', name: 'clip', inputs: ['h'], outputs: ['y'] },
  ],
  inputs: [{ name: 'x', dims: ['N', 2] }],
  outputs: [
    { name: 'y', dims: ['N', 2] },
    { name: 'h', dims: ['N', 2] },
  ],
  weights: { w: { dims: [2, 2], data: Float32Array.of(1, -1, 2, -2) } },
});

export const identity = (dtype: DType, dims?: (number | string)[]): Uint8Array => {
  const value = { code: DTYPES[dtype].code, ...(dims && { dims }) };
  return tinyOnnx({
    nodes: [{ op: 'Identity', name: 'same', inputs: ['x'], outputs: ['y'] }],
    inputs: [{ name: 'x', ...value }],
    outputs: [{ name: 'y', ...value }],
    opsets: { '': 25 },
  });
};

/** A chain of products that takes long enough to be caught in the act. */
export const chain = (length: number): Uint8Array =>
  tinyOnnx({
    nodes: Array.from({ length }, (_, i) => ({
      op: 'MatMul',
      name: `product${i}`,
      inputs: [i ? `h${i}` : 'x', 'x'],
      outputs: [i === length - 1 ? 'y' : `h${i + 1}`],
    })),
    inputs: [{ name: 'x', dims: ['N', 'N'] }],
    outputs: [{ name: 'y', dims: ['N', 'N'] }],
  });

export const thrown = async (work: () => unknown): Promise<PareError> => {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(PareError);
    return error as PareError;
  }
  throw new Error('nothing was thrown');
};

export const A = float32([2, 3], [1, 2, 3, 4, 5, 6]);
export const B = float32([3], [10, 20, 30]);
export const SUM = [11, 22, 33, 14, 25, 36];

/** An engine under test, and `ADD` loaded by it; both are there while tests run. */
export interface Open {
  readonly engine: Engine;
  readonly add: Session;
}

/** The same tests for both engines. */
export function onBothEngines(tests: (name: 'native' | 'wasm', open: Open) => void): void {
  for (const name of ['native', 'wasm'] as const) {
    describe(`engine ${name}`, () => {
      const open = {} as { engine: Engine; add: Session };
      beforeAll(async () => {
        open.engine = await openEngine({ engine: name, threads: 2 });
        open.add = await open.engine.load(ADD);
      });
      afterAll(() => {
        open.add[Symbol.dispose]();
        open.engine[Symbol.dispose]();
      });
      tests(name, open);
    });
  }
}
