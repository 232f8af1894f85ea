/** Optimisers that see matrices: twenty steps against PyTorch's and NumPy's numbers, resuming, and the loop. */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import { inMemory } from '../../data/dataset.ts';
import { sizeOf } from '../../graph/tensor.ts';
import { classifier, dense, relu, sequential } from '../../nn/index.ts';
import { type Engine, openEngine } from '../../runtime/index.ts';
import { fit } from '../fit.ts';
import { scoreModel } from '../score-model.ts';
import { createArena } from './arena.ts';
import { ema, type Optimizer, optimizers } from './index.ts';
import { matrixDims } from './matrix.ts';

type Weights = Record<string, number[]>;
interface Case {
  title: string;
  optimizer: 'muon' | 'adafactor' | 'shampoo';
  options: Record<string, never>;
  after: Weights;
}
const oracle = JSON.parse(readFileSync(new URL('../../../test/oracle/matrix-optim.json', import.meta.url), 'utf8')) as {
  shapes: Record<string, number[]>;
  weights: Weights;
  gradients: Weights[];
  cases: Case[];
};
const names = Object.keys(oracle.shapes);

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const begin = (optimizer: Optimizer) => {
  const specs = names.map((name) => ({ name, length: sizeOf(oracle.shapes[name]!), dims: oracle.shapes[name]! }));
  const arena = createArena(specs, { slots: optimizer.slots });
  for (const name of names) arena.view('w', name).set(oracle.weights[name]!);
  return { arena, running: optimizer.start(arena, { lab: { engine } }) };
};
type Begun = ReturnType<typeof begin>;
const steps = async ({ arena, running }: Begun, from: number, to: number): Promise<void> => {
  for (const gradient of oracle.gradients.slice(from, to)) {
    for (const name of names) arena.view('g', name).set(gradient[name]!);
    await running.step();
  }
};

describe('optimisers that see matrices, after twenty steps', () => {
  for (const { title, optimizer, options, after } of oracle.cases) {
    it(`agree with ${title}`, async () => {
      const begun = begin(optimizers[optimizer](options));
      await steps(begun, 0, 20);
      for (const [name, truth] of Object.entries(after)) {
        const got = begun.arena.view('w', name);
        const worst = Math.max(
          ...truth.map(
            (x, i) => Math.abs(got[i]! - x) / Math.max(Math.abs(x), Math.abs(oracle.weights[name]![i]!), 0.1),
          ),
        );
        if (process.env['PARE_SHOW']) console.log(`${title}, ${name}: ${worst.toExponential(1)}`);
        expect(worst, name).toBeLessThan(optimizer === 'shampoo' ? 1e-5 : 1e-6);
      }
    });
  }

  it.each(['muon', 'adafactor', 'shampoo'] as const)('%s goes on from its state', async (name) => {
    const [whole, first, second] = [1, 2, 3].map(() => begin(ema(optimizers[name]())));
    await steps(whole!, 0, 9);
    await steps(first!, 0, 4);
    for (const parameter of names) second!.arena.view('w', parameter).set(first!.arena.view('w', parameter));
    second!.running.restore(first!.running.state());
    await steps(second!, 4, 9);
    for (const parameter of names) {
      expect(second!.arena.view('w', parameter)).toEqual(whole!.arena.view('w', parameter));
    }
  });

  it.each(['muon', 'adafactor', 'shampoo'] as const)('%s learns', async (name) => {
    const source = random(1, 'data');
    const data = Float32Array.from({ length: 512 * 4 }, () => source.normal());
    const labels = Int32Array.from({ length: 512 }, (_, i) => (data[i * 4]! * data[i * 4 + 1]! > 0 ? 1 : 0));
    const set = inMemory({
      name: 'products',
      inputs: { x: { dtype: 'float32', dims: [4], data } },
      labels: { dtype: 'int64', dims: [], data: labels },
    });
    const model = sequential([dense(16), relu(), classifier(2)], { input: [4] });
    const { model: trained } = await fit(model, set, { epochs: 25, batch: 32, optimizer: name }, { engine });
    expect(await scoreModel(trained, set, { engine })).toBeGreaterThan(0.93);
  });
});

it('sees convolutions, dense and recurrent weights as matrices of their outputs', () => {
  expect(matrixDims([8, 3, 5, 5])).toEqual([8, 75]);
  expect(matrixDims([10, 4])).toEqual([10, 4]);
  expect(matrixDims([2, 64, 16])).toEqual([128, 16]);
  expect(matrixDims([7])).toEqual([1, 7]);
});

it('says that it needs an engine', async () => {
  const optimizer = optimizers.muon();
  const arena = createArena([{ name: 'a', length: 4, dims: [2, 2] }], { slots: optimizer.slots });
  await expect(optimizer.start(arena).step()).rejects.toMatchObject({ code: 'optim/engine' });
});
