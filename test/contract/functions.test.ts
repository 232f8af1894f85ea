/** Models with functions of their own: carried unchanged, and inlined to the same outputs (test/oracle/functions.py). */

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { PareError } from '../../src/base/error.ts';
import { costOf } from '../../src/cost/cost.ts';
import { inlineFunctions } from '../../src/graph/functions.ts';
import type { Model } from '../../src/graph/model.ts';
import { float32, floats, tensor } from '../../src/graph/tensor.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import { modernize } from '../../src/ops/modern.ts';
import { openEngine } from '../../src/runtime/index.ts';

const stored = JSON.parse(readFileSync(new URL('../oracle/functions.json', import.meta.url), 'utf8')) as {
  model: string;
  x: number[];
  outputs: Record<string, Record<string, number[]>>;
};
const bytes = new Uint8Array(Buffer.from(stored.model, 'base64'));

it('carries functions byte for byte, edited around them or not', () => {
  const model = readModel(bytes);
  expect(model.functions?.map(({ op }) => op)).toEqual(['dense', 'leak', 'choose']);
  expect(Buffer.compare(writeModel(model), bytes)).toBe(0);
  expect(readModel(writeModel({ ...model, doc: 'edited' })).functions).toEqual(model.functions);
});

it.each([false, true])(
  'inlines them: nested, with attributes handed on and defaults, into sub-graphs (%s)',
  async (c) => {
    using engine = await openEngine({ threads: 1 });
    const feeds = { x: float32([3, 4], stored.x), c: tensor('bool', [], [Number(c)]) };
    const plain = inlineFunctions(readModel(bytes));
    expect(plain.functions).toBeUndefined();
    for (const model of [plain, modernize(readModel(bytes))]) {
      expect(model.graph.nodes.map(({ op }) => op)).toEqual(['MatMul', 'LeakyRelu', 'MatMul', 'LeakyRelu', 'If']);
      using session = await engine.load(writeModel(model), { optimize: 'none' });
      const outputs = await session.run(feeds);
      for (const [name, want] of Object.entries(stored.outputs[`${c}`]!)) {
        for (const [i, value] of want.entries()) expect(floats(outputs[name]!)[i]).toBeCloseTo(value, 5);
      }
    }
  },
);

it('counts what they cost', () => {
  expect(costOf(modernize(readModel(bytes)))).toMatchObject({ macs: 2 * 16, parameters: 16 });
});

it('leaves those of another opset alone, and refuses one that calls itself', () => {
  const model = readModel(bytes);
  const [dense, leak, choose] = model.functions!;
  const older: Model = { ...model, functions: [dense!, { ...leak!, opsets: { '': 9 } }, choose!] };
  expect(inlineFunctions(older).functions?.map(({ op }) => op)).toEqual(['leak']);
  const endless: Model = { ...model, functions: [{ ...dense!, nodes: model.graph.nodes.slice(0, 1) }] };
  expect(() => inlineFunctions(endless)).toThrowError(PareError);
});
