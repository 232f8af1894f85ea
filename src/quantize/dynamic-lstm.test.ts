import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { float32, floats } from '../graph/tensor.ts';
import { lstmClassifier } from '../nn/index.ts';
import { writeModel } from '../onnx/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { quantizeDynamic } from './dynamic.ts';
import { quantizeLstms } from './dynamic-lstm.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(3, 'lstm');
const x = float32(
  [8, 12, 16],
  Float32Array.from({ length: 8 * 12 * 16 }, () => source.normal()),
);

describe('LSTMs on dynamic integers', () => {
  const model = lstmClassifier({ length: 12, features: 16, hidden: 32, classes: 5 });
  const answer = async (of: typeof model): Promise<Float32Array> => {
    using session = await engine.load(writeModel(of));
    return floats(Object.values(await session.run({ x }))[0]!);
  };

  it('answer nearly as the float ones do, from a fraction of the bytes', async () => {
    const { model: small, report } = await quantizeDynamic(model, {}, { engine });
    expect(small.graph.nodes.map(({ op }) => op)).toContain('DynamicQuantizeLSTM');
    expect(report.after.bytes).toBeLessThan(report.before.bytes / 2.5);
    const [a, b] = [await answer(small), await answer(model)];
    a.forEach((value, i) => {
      expect(Math.abs(value - b[i]!)).toBeLessThan(0.02);
    });
  });

  it('stay as they are where they are excluded', () => {
    const { replaced, kept } = quantizeLstms(model, { exclude: ['LSTM'] });
    expect([replaced, kept.map(({ why }) => why)]).toEqual([[], ['excluded']]);
  });
});
