import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectSame, learn } from '../../../test/parallel/learn.ts';
import { blobs, DIMS } from '../../../test/parallel/task.ts';
import type { Model } from '../../graph/model.ts';
import { sizeOf } from '../../graph/tensor.ts';
import { chainLayers, classifier, conv2d, dense, flatten, sequential, tanh } from '../../nn/index.ts';
import { type Engine, openEngine } from '../../runtime/index.ts';
import { learningForm } from '../../train/learning-form.ts';
import { lossFor } from '../../train/loss/index.ts';
import { columnsOf, withLoss } from '../../train/program.ts';
import { alone } from '../alone.ts';
import { localGroup } from '../local.ts';
import { type BalanceName, balances, type ToCut } from './balance.ts';
import { cutStages } from './cut.ts';
import { schedules } from './schedule.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

/** Convolutions have the work, dense layers the weights. */
const uneven = (): Model =>
  sequential(
    [
      chainLayers(conv2d(8, 3), tanh()),
      chainLayers(conv2d(8, 3), tanh()),
      flatten(),
      chainLayers(dense(64), tanh()),
      chainLayers(dense(64), tanh()),
      classifier(3),
    ],
    { input: DIMS },
  );

function toCut(model: Model, how: Partial<ToCut> = {}): ToCut {
  const form = learningForm(model, { batch: 6, samples: { x: DIMS } });
  const { graph, lossName } = withLoss(form.graph, lossFor('classification'), 6);
  const way = { count: 2, micro: 4, schedule: schedules['1f1b'], recompute: false, slots: 2, collective: alone() };
  const task = { data: blobs(20, DIMS), columns: columnsOf(graph, form), learns: () => true };
  return { graph, output: lossName, form, ...task, ...way, ...how };
}

async function cut(by: BalanceName, model: ToCut) {
  const { graph, output, form, count } = model;
  const weigh = await balances[by](model, { engine });
  const stages = cutStages(graph, { count, weights: new Set(form.weights.keys()), output, weigh });
  return { weigh, stages, ends: stages.map(({ graph: { nodes } }) => nodes.length) };
}

describe('what stages are made even in', () => {
  it.each(['cost', 'time', 'memory'] as const)('%s: the curve and the model of one process', async (balance) => {
    const one = await learn('branched', {}, engine);
    const ranks = localGroup(2).map((collective) =>
      learn('branched', { collective, stages: 2, micro: 4, balance }, engine),
    );
    const [first, second] = await Promise.all([...ranks]);
    expectSame(one, first!);
    expect(first!.report.shares).toHaveLength(2);
    expect(first!.report.shares!.reduce((a, b) => a + b)).toBeCloseTo(1, 10);
    expect(second!.report.shares).toEqual(first!.report.shares);
    expect(one.report.shares).toBeUndefined();
  });

  it('memory cuts elsewhere than cost, where weights and work lie apart', async () => {
    const model = toCut(uneven());
    const [even, light] = [await cut('cost', model), await cut('memory', model)];
    expect(light.ends[0]).toBeGreaterThan(even.ends[0]!);
    const length = model.graph.nodes.length;
    const heavier = (at: number): number => Math.max(light.weigh(0, at, 0), light.weigh(at, length, 1));
    expect(heavier(light.ends[0]!)).toBeLessThan(heavier(even.ends[0]!));
    expect((await cut('memory', model)).ends).toEqual(light.ends);
  });

  it('memory counts weights with slopes and state, and what is in flight', async () => {
    const bytes = async (how: Partial<ToCut>): Promise<number> => {
      const model = toCut(uneven(), { count: 1, micro: 1, ...how });
      return (await cut('memory', model)).weigh(0, model.graph.nodes.length, 0);
    };
    const { form } = toCut(uneven());
    const parameters = [...form.weights.values()].reduce((n, { dims }) => n + sizeOf(dims), 0);
    const [plain, adam, frozen] = [
      await bytes({ slots: 0 }),
      await bytes({ slots: 2 }),
      await bytes({ slots: 2, learns: (name) => name === [...form.weights.keys()].at(-1) }),
    ];
    expect(adam - plain).toBe(4 * 2 * parameters);
    expect(frozen).toBeLessThan(plain);
    const first = async (how: Partial<ToCut>): Promise<number> => {
      const model = toCut(uneven(), how);
      return (await cut('memory', model)).weigh(0, (await cut('cost', model)).ends[0]!, 0);
    };
    // Two in flight, four, and one with what the others were given.
    const [some, all, few] = [
      await first({}),
      await first({ schedule: schedules.gpipe }),
      await first({ recompute: true }),
    ];
    expect(all).toBeGreaterThan(some);
    expect(some).toBeGreaterThan(few);
  });

  it('time is measured for each stretch, whatever the engine makes of its nodes', async () => {
    const model = toCut(uneven());
    const { weigh, stages } = await cut('time', model);
    const length = model.graph.nodes.length;
    expect(weigh(0, length, 0)).toBeGreaterThan(0);
    expect(weigh(0, 1, 0) + weigh(1, length, 1)).toBeCloseTo(weigh(0, length, 0), 10);
    expect(stages.every(({ share }) => share > 0)).toBe(true);
  });

  it('an engine that times no nodes is named', async () => {
    const dumb: Engine = Object.assign(Object.create(engine) as Engine, {
      load: async (...given: Parameters<Engine['load']>) => engine.load(given[0], { ...given[1], profile: false }),
    });
    await expect(balances.time(toCut(uneven()), { engine: dumb })).rejects.toMatchObject({ code: 'parallel/profile' });
  });
});
