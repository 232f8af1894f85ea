import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectSame, learn } from '../../../test/parallel/learn.ts';
import { NETS, type NetName } from '../../../test/parallel/task.ts';
import type { Model } from '../../graph/model.ts';
import { floats } from '../../graph/tensor.ts';
import { sequential, tanh } from '../../nn/index.ts';
import { type Engine, openEngine } from '../../runtime/index.ts';
import { chain, clipByNorm, sgd } from '../../train/index.ts';
import { learningForm } from '../../train/learning-form.ts';
import type { ParallelFitOptions } from '../fit.ts';
import { localGroup } from '../local.ts';
import { additive, cutStages } from './cut.ts';
import { schedules } from './schedule.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 2 });
});
afterAll(() => engine[Symbol.dispose]());

const train = (name: NetName, options: ParallelFitOptions) => learn(name, options, engine);

describe('a pipeline', () => {
  it.each([
    ['small', 1, 4],
    ['small', 2, 4],
    ['small', 3, 6],
    ['small', 4, 2],
    ['branched', 2, 4],
  ] as const)('%s in %i stages: losses to 1e-5, the unsplit model to 1e-4', async (name, stages, micro) => {
    const [whole, split] = [await train(name, {}), await train(name, { stages, micro })];
    expect(split.report.stages).toBe(stages);
    expectSame(whole, split);
  });

  it.each([
    ['gpipe', false],
    ['gpipe', true],
    ['1f1b', true],
  ] as const)('%s, values worked out again %s: the same losses and weights', async (schedule, recompute) => {
    for (const [name, stages] of [
      ['branched', 3],
      ['dropping', 2],
    ] as const) {
      const options = { stages, micro: 4, optimizer: sgd({ lr: 0.1 }) };
      expectSame(await train(name, options), await train(name, { ...options, schedule, recompute }), { weight: 1e-5 });
    }
  });

  it.each(['gpipe', '1f1b'] as const)('%s: 2 pipelines of 2 ranks are one process', async (schedule) => {
    for (const name of ['small', 'branched'] as const) {
      const one = await train(name, {});
      const ranks = localGroup(4).map((collective) => train(name, { collective, stages: 2, micro: 3, schedule }));
      const [first, ...others] = await Promise.all(ranks);
      expect(first!.report).toMatchObject({ replicas: 2, stages: 2, ranks: 4 });
      expectSame(one, first!);
      for (const other of others) expect(other.losses).toEqual(first!.losses);
    }
  });

  it('running statistics are the mean over the pipelines, and the score is that of the merged model', async () => {
    const options = { optimizer: sgd({ lr: 0.05 }), micro: 1 };
    const one = await train('normalised', { ...options, stages: 1, micro: 2 });
    const ranks = localGroup(4).map((collective) => train('normalised', { ...options, collective, stages: 2 }));
    const [first] = await Promise.all(ranks);
    expect(first!.losses[0]).toBeCloseTo(one.losses[0]!, 5);
    const means = [...first!.weights].filter(([name]) => /mean/.test(name));
    expect(means.length).toBeGreaterThan(0);
    expect(Math.abs(first!.report.epochs.at(-1)!.metric!.value - one.report.epochs.at(-1)!.metric!.value)).toBeLessThan(
      0.2,
    );
  });

  it('norms run over all stages', async () => {
    const optimizer = chain(clipByNorm(0.1), sgd({ lr: 0.1 }));
    expectSame(await train('small', { optimizer }), await train('small', { optimizer, stages: 2 }));
  });

  it('a dropped element is dropped on the way back too', async () => {
    const options = { micro: 4, optimizer: sgd({ lr: 0.1 }) };
    const [one, three] = [
      await train('dropping', { ...options, stages: 1 }),
      await train('dropping', { ...options, stages: 3 }),
    ];
    expectSame(one, three, { weight: 1e-5 });
  });

  it('frozen weights stay as they are', async () => {
    const { initializers } = NETS.small.make().graph;
    const [frozen] = [...initializers.keys()];
    const { weights } = await train('small', { stages: 2, learns: (name) => name !== frozen });
    expect(floats(weights.get(frozen!)!)).toEqual(floats(initializers.get(frozen!)!));
  });

  it('refuses what cannot be cut or divided', async () => {
    await expect(train('small', { stages: 40 })).rejects.toMatchObject({ code: 'parallel/stages' });
    await expect(train('small', { stages: 2, micro: 5 })).rejects.toMatchObject({ code: 'parallel/micro' });
  });
});

describe('cutStages', () => {
  const form = learningForm(NETS.small.make(), { batch: 4 });
  const output = form.graph.outputs[0]!.name;
  const weights = new Set(form.weights.keys());

  it('every node is in one stage, and every stage reads only what it is given', () => {
    const stages = cutStages(form.graph, { count: 3, weights, output });
    expect(stages.flatMap(({ graph }) => graph.nodes)).toEqual(form.graph.nodes);
    for (const { graph } of stages) {
      const known = new Set([...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()]);
      for (const node of graph.nodes) {
        for (const name of node.inputs) expect(known.has(name), name).toBe(true);
        for (const name of node.outputs) known.add(name);
      }
    }
    expect(stages.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
  });

  it('no other cut makes the dearest stage cheaper', () => {
    const chainOf = (length: number): Model =>
      sequential(
        Array.from({ length }, () => tanh()),
        { input: [4] },
      );
    const { graph } = learningForm(chainOf(9), { batch: 2 });
    const costs = [5, 1, 4, 1, 9, 2, 6, 5, 3];
    const total = 36;
    const sum = (from: number, to: number): number => costs.slice(from, to).reduce((x, y) => x + y, 0);
    // Every place of a chain may be cut: all pairs of places, by brute force.
    let least = Number.POSITIVE_INFINITY;
    for (let i = 1; i < 8; i++)
      for (let j = i + 1; j < 9; j++) least = Math.min(least, Math.max(sum(0, i), sum(i, j), sum(j, 9)));
    const stages = cutStages(graph, {
      count: 3,
      weights: new Set(),
      output: graph.outputs[0]!.name,
      weigh: additive(costs),
    });
    expect(Math.max(...stages.map(({ share }) => share))).toBeCloseTo(least / total, 10);
  });
});

describe.each(Object.entries(schedules))('%s', (_, { order: orderOf, inFlight }) => {
  it.each([
    [1, 3],
    [2, 4],
    [4, 2],
    [3, 8],
  ])('%i stages, %i micro-batches: all is done once, in order, and no stage holds too much', (stages, micro) => {
    for (let stage = 0; stage < stages; stage++) {
      const order = orderOf(stage, stages, micro);
      const of = (kind: string): number[] => order.filter((work) => work.kind === kind).map((work) => work.micro);
      const all = Array.from({ length: micro }, (_, i) => i);
      expect(of('backward')).toEqual(all);
      expect(of('forward')).toEqual(stage === stages - 1 ? [] : all);
      let held = 0;
      for (const { kind } of order) {
        held += kind === 'forward' ? 1 : stage === stages - 1 ? 0 : -1;
        expect(held).toBeLessThanOrEqual(inFlight(stage, stages, micro));
      }
    }
  });
});
