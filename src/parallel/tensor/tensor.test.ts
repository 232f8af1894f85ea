import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectSame, learn } from '../../../test/parallel/learn.ts';
import { NETS, type NetName } from '../../../test/parallel/task.ts';
import { sizeOf } from '../../graph/tensor.ts';
import { type Engine, openEngine } from '../../runtime/index.ts';
import { lamb, sgd } from '../../train/index.ts';
import type { ParallelFitOptions } from '../fit.ts';
import { localGroup } from '../local.ts';
import { splitModel } from './split.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const train = (name: NetName, options: ParallelFitOptions) => learn(name, options, engine);

describe('layers split over ranks', () => {
  it.each([
    ['dense', 2, 2],
    ['dense', 3, 3],
    ['conv', 2, 2],
    ['normalised', 2, 2],
    ['transformer', 2, 2],
    ['conv', 2, 4],
  ] as const)('%s over %i of %i ranks: losses to 1e-5, the unsplit model to 1e-4', async (net, tensor, ranks) => {
    // A bias before BatchNorm, or of attention's keys, has no slope; Adam would blow its rounding up.
    const options = ['normalised', 'transformer'].includes(net) ? { optimizer: sgd({ lr: 0.05 }) } : {};
    const one = await train(net, options);
    const group = localGroup(ranks).map((collective) => train(net, { ...options, collective, tensor }));
    const [first] = await Promise.all(group);
    expectSame(one, first!);
  });

  it('every rank holds its share of the split weights, and all of them together everything', () => {
    for (const name of ['dense', 'conv', 'normalised', 'transformer'] as const) {
      const model = NETS[name].make();
      const ranks = [0, 1].map((rank) => splitModel(model, 2, rank));
      for (const [name, t] of ranks[0]!.model.graph.initializers) {
        const part = ranks[0]!.parts.get(name);
        if (!part) continue;
        const other = ranks[1]!.model.graph.initializers.get(name)!;
        const whole = model.graph.initializers.get(name);
        expect(sizeOf(t.dims) + sizeOf(other.dims), name).toBe(whole ? sizeOf(whole.dims) : sizeOf(part.dims));
      }
      expect(ranks[0]!.share).toBeGreaterThan(0.3);
    }
  });

  it('refuses an optimiser that needs norms of whole weights', async () => {
    const all = await Promise.allSettled(
      localGroup(2).map((collective) => train('dense', { collective, tensor: 2, optimizer: lamb() })),
    );
    for (const each of all) expect(each).toMatchObject({ status: 'rejected', reason: { code: 'parallel/norm' } });
  });
});
