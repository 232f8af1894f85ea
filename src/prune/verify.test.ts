import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { valueInfo } from '../graph/edit.ts';
import { float32 } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { prune } from './prune.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

it('proves the cut of a network that draws numbers as it runs', async () => {
  const source = random(3, 'draws');
  const { g, finish } = draft();
  const matrix = (K: number, N: number) =>
    g.constant(
      float32(
        [K, N],
        Float32Array.from({ length: K * N }, () => source.normal()),
      ),
    );
  const mean = g.MatMul(g.Relu(g.MatMul(g.input('x', 'float32', [1, 8]), matrix(8, 16))), matrix(16, 4));
  const y = g.MatMul(g.Add(mean, g.RandomNormalLike(mean)), matrix(4, 8));
  const graph = finish([valueInfo(y.name, 'float32', ['N', 8])]);
  const inputs = [valueInfo('x', 'float32', ['N', 8])];
  const { report } = await prune(
    modelFrom({ ...graph, inputs, values: new Map() }),
    { keep: { macs: 0.7 } },
    { engine },
  );
  expect(report.fault).toBeUndefined();
  expect(report.after.macs).toBeLessThan(report.before.macs);
});
