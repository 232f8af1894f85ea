import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KINDS, randomNetwork, type Step } from '../../test/contract/random-network.ts';
import { random } from '../base/random.ts';
import { checkGraph } from '../graph/check.ts';
import { readModelFile } from '../onnx/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { cut } from './cut.ts';
import { sizeOfGraph } from './estimate.ts';
import { type Group, solve, type Units } from './group.ts';
import { settle } from './settle.ts';
import { agreement, TOLERANCE } from './verify.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

/** Some units of every group, never all. */
const someOf = (groups: readonly Group[], seed: number): Units[] => {
  const source = random(seed, 'units');
  return groups.map((group) => {
    const units = Array.from({ length: group.size }, (_, unit) => unit).filter(() => source.uniform() < 0.5);
    return { group, units: units.slice(0, group.size - 1) };
  });
};

const steps: fc.Arbitrary<Step[]> = fc.array(fc.tuple(fc.nat(KINDS - 1), fc.nat(9), fc.nat(9)), {
  minLength: 1,
  maxLength: 7,
});

describe('cut', () => {
  it('answers on random networks with branches what the masked network answers', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(1000), async (layers, seed) => {
        const model = randomNetwork(layers, seed);
        const solved = solve(model.graph);
        const cuts = someOf(solved.groups, seed);
        checkGraph(cut(model, solved, cuts));
        const { error } = await agreement(model, solved, cuts, { engine, seed });
        expect(error).toBeLessThan(TOLERANCE);
      }),
      { numRuns: 100, seed: 7 },
    );
  }, 60_000);

  it('is caught when a weight loses other channels than the rest of its group', async () => {
    const model = randomNetwork(
      [
        [0, 4, 0],
        [2, 0, 0],
        [0, 3, 0],
      ],
      5,
    );
    const solved = solve(model.graph);
    const group = solved.groups.find(({ size }) => size > 3)!;
    const at = group.places.findLastIndex(({ isWeight }) => isWeight);
    const turned = group.places.map((place, i) =>
      i === at ? { ...place, positions: place.positions.toReversed() } : place,
    );
    const cuts = [{ group: { ...group, places: turned }, units: [0] }];
    expect((await agreement(model, solved, cuts, { engine })).error).toBeGreaterThan(TOLERANCE);
  });

  it('leaves the model as it is when nothing goes', () => {
    const model = randomNetwork([[0, 1, 0]], 1);
    const solved = solve(model.graph);
    expect(cut(model, solved, [])).toBe(model);
  });

  const data = process.env['PARE_DATA'] ?? new URL('../../../shared/data', import.meta.url).pathname;
  const names = [
    'cifar10_small_cnn',
    'gpt_nano_sort',
    'iris_mlp',
    'light_squeezenet',
    'magika_standard_v3_3',
    'mlperf_ad01_autoencoder_fp32',
    'mlperf_ad01_autoencoder_int8_qdq',
    'mlperf_resnet8_cifar10_fp32',
    'mlperf_resnet8_cifar10_int8_qdq',
    'mnist_cntk',
    'mobilenet_v2_1.0_224_fp32',
    'mobilenet_v2_1.0_224_uint8_qdq',
    'resnet20_cifar10',
    'resnet56_cifar10',
    'squeezenet1.0_fp16',
    'squeezenet1.0_fp32',
    'yolox_nano',
  ];
  for (const name of names) {
    const file = join(data, 'models', `${name}.onnx`);
    it.skipIf(!existsSync(file))(
      `answers on ${name} what the masked network answers (skipped without PARE_DATA)`,
      async () => {
        const lab = { engine, seed: 3 };
        const model = await settle(await readModelFile(file), lab);
        const solved = solve(model.graph);
        expect(solved.groups.length).toBeGreaterThan(0);
        const cuts = someOf(solved.groups, 3);
        const { error } = await agreement(model, solved, cuts, lab);
        expect(error).toBeLessThan(TOLERANCE);
        const [before, after] = [sizeOfGraph(model.graph), sizeOfGraph(cut(model, solved, cuts).graph)];
        expect(after.macs).toBeLessThan(before.macs);
        expect(after.parameters).toBeLessThan(before.parameters);
      },
      60_000,
    );
  }
});
