import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { glyphs } from '../data/index.ts';
import { conv2d, dense, flatten, maxPool2d, relu, sequential } from '../nn/index.ts';
import { writeModel } from '../onnx/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { answersOf } from './answers.ts';
import { describeSteps, follow, parseRecipe, presets, recipeJson, type StepCall, stepOf } from './index.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const network = (classes: number) =>
  sequential([conv2d(16, 3), relu(), maxPool2d(2), flatten(), dense(32), relu(), dense(classes)], {
    input: [1, 16, 16],
  });

const STEPS: readonly StepCall[] = [
  { step: 'prune', keepMacs: 0.5, by: 'taylor' },
  { step: 'distill', epochs: 1, lr: 2e-3 },
  { step: 'simplify' },
  { step: 'quantize', calibrate: 'mse', exclude: ['conv'] },
];

describe('a recipe', () => {
  it('survives its own JSON', () => {
    const recipe = { seed: 3, steps: STEPS, threads: 2, flags: { data: 'glyphs' } };
    expect(parseRecipe(recipeJson(recipe))).toEqual(recipe);
  });

  it('is told in one line', () => {
    expect(describeSteps(STEPS)).toBe(
      'prune (keepMacs 0.5, by taylor) → distill (epochs 1) → simplify → quantize (calibrate mse, 1 float)',
    );
    expect(describeSteps([])).toBe('nothing');
  });

  it.each([
    ['no JSON', '{', 'recipe/damaged'],
    ['another format', '{"format":"other","steps":[]}', 'recipe/format'],
    ['no steps', '{"format":"pare-recipe 1"}', 'recipe/format'],
    ['a step that is none', '{"format":"pare-recipe 1","steps":[{"step":"prun"}]}', 'option/unknown'],
    ['a step without a name', '{"format":"pare-recipe 1","steps":[3]}', 'recipe/format'],
    ['an option that is none', '{"format":"pare-recipe 1","steps":[{"step":"prune","keepMac":0.5}]}', 'recipe/option'],
    [
      'a value that does not fit',
      '{"format":"pare-recipe 1","steps":[{"step":"prune","keepMacs":50}]}',
      'recipe/option',
    ],
    ['an entry that is none', '{"format":"pare-recipe 1","flag":{},"steps":[]}', 'recipe/option'],
    ['a seed that is none', '{"format":"pare-recipe 1","seed":-1,"steps":[]}', 'recipe/option'],
  ])('is refused with %s', (_, text, code) => {
    expect(() => parseRecipe(text)).toThrow(expect.objectContaining({ code }));
  });

  it('names the nearest option', () => {
    expect(() => stepOf({ step: 'prune', keepMac: 0.5 })).toThrow('did you mean "keepMacs"?');
  });

  it('knows every step and option of its presets', () => {
    for (const calls of Object.values(presets)) for (const call of calls) expect(stepOf(call).step.about).not.toBe('');
  });

  it('gives the same bytes when it is followed again, with what its steps settled', async () => {
    const { train } = glyphs({ train: 160, test: 16, size: 16 });
    const original = network(20);
    const lab = { engine, seed: 5 };
    const bench = { original, learn: train };
    const first = writeModel(await follow(original, STEPS, bench, lab));
    const again = writeModel(await follow(original, STEPS, bench, lab));
    expect(Buffer.from(again).equals(Buffer.from(first))).toBe(true);
    expect(first.length).toBeLessThan(writeModel(original).length / 2);
  });

  it('stores the weights of named layers in 4 bits, and learns from changed images or while it rounds', async () => {
    const { train } = glyphs({ train: 160, test: 16, size: 16 });
    const original = network(20);
    const lab = { engine, seed: 5 };
    const bench = { original, learn: train, answers: answersOf(original) };
    const made = async (...calls: StepCall[]) => writeModel(await follow(original, calls, bench, lab));
    const largest = (await follow(original, [{ step: 'simplify' }], bench, lab)).graph.nodes.find(
      ({ op }) => op === 'Gemm' || op === 'MatMul',
    )!;
    const taught: StepCall = { step: 'distill', epochs: 1, samples: 96, augment: 'shift', copies: 1 };
    const [wide, narrow, learnt, again] = [
      await made(taught, { step: 'quantize' }),
      await made(taught, { step: 'quantize', narrow: [largest.name], round: 'seq-mse' }),
      await made(taught, { step: 'quantize', epochs: 1, learnFrom: 128 }),
      await made(taught, { step: 'quantize', epochs: 1, learnFrom: 128 }),
    ];
    expect(narrow.length).toBeLessThan(wide.length * 0.75);
    expect(Buffer.from(learnt).equals(Buffer.from(again))).toBe(true);
    expect(Buffer.from(learnt).equals(Buffer.from(wide))).toBe(false);
  });

  it('teaches the model on labels, and what it then answers teaches the steps that follow', async () => {
    const { train } = glyphs({ train: 160, test: 16, size: 16 });
    const original = network(20);
    const lab = { engine, seed: 5 };
    const bench = { original, learn: train, answers: answersOf(original) };
    const tune: StepCall = { step: 'tune', epochs: 1, optimizer: 'lamb', augment: 'shift' };
    const rest: StepCall[] = [
      { step: 'prune', keepMacs: 0.5 },
      { step: 'distill', epochs: 1, optimizer: 'sgd', lr: 0.01 },
    ];
    const whole = await follow(original, [tune, ...rest], bench, lab);
    const tuned = await follow(original, [tune], bench, lab);
    const apart = await follow(tuned, rest, { original: tuned, learn: train }, lab);
    expect(Buffer.from(writeModel(whole)).equals(Buffer.from(writeModel(apart)))).toBe(true);
    expect(Buffer.from(writeModel(tuned)).equals(Buffer.from(writeModel(original)))).toBe(false);

    const { labels: _, ...rows } = train;
    const blind = follow(original, [tune], { original, learn: { ...rows, task: 'unlabelled' } }, lab);
    await expect(blind).rejects.toThrow(expect.objectContaining({ code: 'recipe/data' }));
  });

  it('learns from labels alone without asking a teacher', async () => {
    const { train } = glyphs({ train: 160, test: 16, size: 16 });
    const original = network(20);
    const never = () => Promise.reject(new Error('asked'));
    const bench = { original, learn: train, answers: never };
    const made = await follow(original, [{ step: 'distill', epochs: 1, labels: 1 }], bench, { engine, seed: 5 });
    expect(Buffer.from(writeModel(made)).equals(Buffer.from(writeModel(original)))).toBe(false);
  });

  it('stores what stays float in 16 bits where it is told to', async () => {
    const { train } = glyphs({ train: 160, test: 16, size: 16 });
    const original = network(20);
    const bench = { original, learn: train };
    const call: StepCall = { step: 'quantize', exclude: ['Gemm'], floats: 'float16' };
    const { graph } = await follow(original, [{ step: 'simplify' }, call], bench, { engine, seed: 5 });
    const types = [...graph.initializers.values()].filter(({ dims }) => dims.length > 1).map(({ dtype }) => dtype);
    expect(new Set(types)).toEqual(new Set(['float16', 'int8']));
  });

  it('says which step needs samples', async () => {
    const original = network(4);
    const run = follow(original, [{ step: 'quantize' }], { original }, { engine });
    await expect(run).rejects.toThrow(expect.objectContaining({ code: 'recipe/data' }));
  });
});
