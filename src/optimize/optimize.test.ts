import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { costOf } from '../cost/cost.ts';
import { glyphs, type Splits } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { conv2d, dense, flatten, maxPool2d, relu, sequential } from '../nn/index.ts';
import { writeModel } from '../onnx/index.ts';
import { modernize } from '../ops/modern.ts';
import { follow } from '../recipe/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { adam, fit } from '../train/index.ts';
import { prepareData } from './bench.ts';
import { type Journal, memoryJournal, optimize, type Stopwatch } from './index.ts';

let engine: Engine;
let data: Splits;
let model: Model;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
  data = glyphs({ train: 900, test: 300, size: 16 });
  const layers = [
    conv2d(16, 3),
    relu(),
    maxPool2d(2),
    conv2d(24, 3),
    relu(),
    maxPool2d(2),
    flatten(),
    dense(48),
    relu(),
  ];
  const untrained = sequential([...layers, dense(20)], { input: [1, 16, 16], seed: 1 });
  ({ model } = await fit(untrained, data.train, { epochs: 4, optimizer: adam({ lr: 2e-3 }) }, { engine, seed: 1 }));
});
afterAll(() => engine[Symbol.dispose]());

/** Arithmetic for time: the same everywhere, and enough to test what is decided on it. */
const byMacs: Stopwatch = {
  about: 'counted, not timed',
  async time(models) {
    const all = models.map((each) => costOf(modernize(each)).macs + 0.001 * writeModel(each).length);
    return all.map((macs) => ({ ratio: macs / all[0]!, ms: macs / 1e6 }));
  },
};

/** Every look at this clock takes 100 ms, so that a search has as many trials here as anywhere. */
const clock = (): (() => number) => {
  let now = 0;
  return () => (now += 100);
};

const budget = { maxDrop: 0.1, objective: 'size', timeMs: 2000 } as const;

describe('optimize', () => {
  it('returns something smaller within the bound, on samples that nothing was decided on, and a recipe that replays', async () => {
    const found = await optimize(model, { data, budget, stopwatch: byMacs, now: clock() }, { engine, seed: 2 });
    const bytes = writeModel(found.model);
    expect(bytes.length).toBeLessThan(writeModel(model).length / 3);
    expect(found.missed).toEqual([]);
    expect(found.evidence!.data.size).toBe(300);
    expect(found.evidence!.drop).toBeLessThanOrEqual(0.1);
    expect(found.frontier.length).toBeGreaterThan(1);

    const { bench } = await prepareData(model, data, { engine, seed: 2 });
    const again = await follow(model, found.recipe.steps, bench, { engine, seed: found.recipe.seed });
    expect(Buffer.from(writeModel(again)).equals(Buffer.from(bytes))).toBe(true);
  });

  it('goes on where it was interrupted, and ends with the same recipe', async () => {
    const entries: [string, unknown][] = [];
    const whole = memoryJournal();
    const spy: Journal = {
      ...whole,
      put(key, value) {
        entries.push([key, value]);
        return whole.put(key, value);
      },
    };
    const options = { data, budget, stopwatch: byMacs };
    const fresh = () => ({ ...options, now: clock() });
    const first = await optimize(model, { ...fresh(), journal: spy }, { engine, seed: 2 });
    const all = await optimize(model, { ...fresh(), journal: memoryJournal(entries) }, { engine, seed: 2 });
    expect(all.recipe).toEqual(first.recipe);
    expect(all.trials.map(({ key }) => key)).toEqual(first.trials.map(({ key }) => key));

    const stop = new AbortController();
    const journal = memoryJournal();
    let made = 0;
    const interrupted = optimize(
      model,
      { ...fresh(), journal, onTrial: () => void (++made === 3 && stop.abort()) },
      { engine, seed: 2, signal: stop.signal },
    );
    await expect(interrupted).rejects.toThrow(expect.objectContaining({ code: 'work/aborted' }));
    // what was measured before the interruption is not measured again
    const keys = first.trials.slice(0, 3).map(({ key }) => key);
    expect(keys.every((key) => journal.get(key) !== undefined)).toBe(true);
  });

  it('without data does what is exact, and says so', async () => {
    const notes: string[] = [];
    const lab = { engine, onNote: (note: string) => void notes.push(note) };
    const found = await optimize(model, { budget, stopwatch: byMacs }, lab);
    expect(found.recipe.steps.every(({ step }) => step === 'simplify' || step === 'store')).toBe(true);
    expect(found.evidence).toBeUndefined();
    expect(notes.join()).toContain('only exact steps are allowed');
  });

  it('says what it would take where a target cannot be met', async () => {
    const found = await optimize(
      model,
      { data, budget: { maxDrop: 0.001, targetBytes: 500, timeMs: 800 }, stopwatch: byMacs, now: clock() },
      { engine, seed: 2 },
    );
    expect(found.missed[0]).toMatch(/^--target-size 500 B: the nearest within the bound on the loss has /);
    expect(found.missed[1]).toMatch(/needed|it would take/);
  });

  it('takes a signal and a target, opens an engine where there is none, and tells how far it is', async () => {
    const small = sequential([dense(8), relu(), dense(4)], { input: [6] });
    const stopped = optimize(small, { signal: AbortSignal.abort() });
    await expect(stopped).rejects.toThrow(expect.objectContaining({ code: 'work/aborted' }));
    const lost = optimize(small, { target: 'wams' as 'wasm' });
    await expect(lost).rejects.toThrow(expect.objectContaining({ code: 'option/unknown' }));
    const found = await optimize(small, { target: 'arm' });
    expect(found.latency).toContain('estimated profile');
    const told: number[] = [];
    const onProgress = ({ task, done }: { task: string; done: number }) =>
      void (task === 'optimize' && told.push(done));
    await optimize(model, { data, budget, stopwatch: byMacs, now: clock(), onProgress }, { engine, seed: 2 });
    expect(told.length).toBeGreaterThan(1);
  });

  it('refuses a budget that means nothing', async () => {
    const run = optimize(model, { budget: { maxDrop: 5 } }, { engine });
    await expect(run).rejects.toThrow(expect.objectContaining({ code: 'option/budget' }));
  });
});
