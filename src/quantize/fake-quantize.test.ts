import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { float32, floats, tensor } from '../graph/tensor.ts';
import { writeModel } from '../onnx/index.ts';
import { modelFrom } from '../ops/model-of.ts';
import { type Engine, openEngine, type Session } from '../runtime/index.ts';
import { fakeQuantize } from './fake-quantize.ts';

let engine: Engine;
let session: Session;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
  const node = (op: string, inputs: string[], output: string) => ({
    op,
    domain: '',
    name: '',
    inputs,
    outputs: [output],
    attrs: {},
  });
  const model: Model = modelFrom({
    name: 'fake',
    nodes: [node('QuantizeLinear', ['x', 's', 'z'], 'q'), node('DequantizeLinear', ['q', 's', 'z'], 'y')],
    inputs: [valueInfo('x', 'float32', ['N']), valueInfo('s', 'float32', []), valueInfo('z', 'uint8', [])],
    outputs: [valueInfo('y', 'float32', ['N'])],
    initializers: new Map(),
    values: new Map(),
  });
  session = await engine.load(writeModel(model));
});
afterAll(() => {
  session[Symbol.dispose]();
  engine[Symbol.dispose]();
});

it('gives what the engine gives, halves included', async () => {
  const half = Float32Array.from({ length: 601 }, (_, i) => (i - 300) / 2);
  const other = fc.sample(fc.float({ noNaN: true, min: -400, max: 400 }), { numRuns: 400, seed: 1 });
  for (const scale of [1, 0.1, 2 / 255, 3.3e-5]) {
    for (const zeroPoint of [0, 7, 128, 255]) {
      const x = Float32Array.from([...half.map((v) => v * scale), ...other]);
      const { y } = await session.run({
        x: float32([x.length], x),
        s: float32([], [scale]),
        z: tensor('uint8', [], [zeroPoint]),
      });
      expect(fakeQuantize(x, { scale, zeroPoint, signed: false })).toEqual(floats(y!));
    }
  }
});

it('is the identity on its own results', () => {
  const x = Float32Array.from({ length: 100 }, (_, i) => Math.sin(i) * 3);
  const once = fakeQuantize(x, { scale: 0.02, bits: 4 });
  expect(fakeQuantize(once, { scale: 0.02, bits: 4 })).toEqual(once);
  expect(new Set(once).size).toBeLessThanOrEqual(16);
});

it('refuses a scale that is not above 0', () => {
  expect(() => fakeQuantize(new Float32Array(1), { scale: 0 })).toThrow(
    expect.objectContaining({ code: 'quantize/scale' }),
  );
});
