import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobs, net } from '../../test/parallel/task.ts';
import { PareError } from '../base/error.ts';
import { cached, record } from '../distill/index.ts';
import { writeModel } from '../onnx/index.ts';
import { criteria, sensitivity as pruneSensitivity } from '../prune/index.ts';
import { quantize } from '../quantize/index.ts';
import { evaluate } from '../report/evaluate.ts';
import { type Engine, inOrder, type Lab, openEngine } from '../runtime/index.ts';
import { accuracy, predictAll, scoreModel, scorer } from '../train/index.ts';
import type { Collective } from './collective.ts';
import { localGroup } from './local.ts';
import { answering } from './tell.ts';

let engine: Engine;
const folder = mkdtempSync(join(tmpdir(), 'pare-answers-'));
beforeAll(async () => {
  engine = await openEngine({ threads: 3 });
});
afterAll(() => {
  engine[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

const model = net();
const data = blobs(103);

/** Each gives what must be the same, whoever works it out. */
const answers: Record<string, (lab: Lab, name: string) => Promise<unknown>> = {
  'a score': (lab) => evaluate({ name: 'net', model }, data, lab, { batch: 10 }),
  'a metric': (lab) => scoreModel(model, data, lab, { batch: 10 }),
  'all outputs': (lab) => predictAll(model, data, model.graph.outputs[0]!.name, { batch: 10 }, lab),
  'a score of weights that move': async (lab) => {
    using score = await scorer(model, data, model.graph.initializers, { metric: accuracy, batch: 10 }, lab);
    return await score.run();
  },
  'a calibrated model, its layers scanned': async (lab) => {
    const options = { data, samples: 100, calibrate: 'percentile', maxDrop: 0 } as const;
    const { model: made, report } = await quantize(model, options, lab);
    return { bytes: writeModel(made), agreement: report.agreement, escalation: report.escalation };
  },
  'a scan of groups before pruning': (lab) => pruneSensitivity(model, { data, by: criteria.l2, samples: 64 }, lab),
  'a recorded teacher': (lab) => record({ model, weight: 1 }, data, lab, { batch: 10 }),
  'a teacher on disk': async (lab, name) => {
    using found = await cached({ model, weight: 1 }, data, { folder: join(folder, name), batch: 10 }, lab);
    return readFileSync(found.path);
  },
};

describe('copies that answer at the same time give the very numbers of one', () => {
  it.each(Object.keys(answers))('%s', async (name) => {
    const worked = async (folder: string, how: Pick<Lab, 'threads' | 'replicas'>) => {
      const progress: unknown[] = [];
      const lab: Lab = { engine, seed: 1, ...how, onProgress: (each) => void progress.push(each) };
      return { answer: await answers[name]!(lab, folder), progress };
    };
    expect(await worked('three', { threads: 3, replicas: 3 })).toEqual(await worked('one', { threads: 1 }));
  });

  it.each(Object.keys(answers))('%s, by two ranks', async (name) => {
    const lab: Lab = { engine, seed: 1, threads: 1 };
    const [alone, ...ranks] = await Promise.all([
      answers[name]!(lab, 'alone'),
      ...localGroup(2).map((group) =>
        answers[name]!({ ...lab, replicas: 1 + group.rank, threads: 1, among: answering(group) }, 'ranks'),
      ),
    ]);
    for (const answer of ranks) expect(answer).toEqual(alone);
  });

  it('ranks share the work, and hear of a failure wherever it was', async () => {
    const done: number[][] = [[], []];
    const go = async (group: Collective, fails: number): Promise<number[]> => {
      const work = async (piece: number): Promise<number> => {
        if (piece === fails) throw new PareError('data/shape', 'This one.', { where: `${piece}` });
        done[group.rank]!.push(piece);
        return piece ** 2;
      };
      const results: number[] = [];
      for await (const result of inOrder([0, 1, 2, 3, 4], { lanes: 1, among: answering(group) }, { work }))
        results.push(result);
      return results;
    };
    expect(await Promise.all(localGroup(2).map((group) => go(group, -1)))).toEqual([0, 0].map(() => [0, 1, 4, 9, 16]));
    expect(done).toEqual([
      [0, 2, 4],
      [1, 3],
    ]);
    const failed = await Promise.allSettled(localGroup(2).map((group) => go(group, 3)));
    for (const each of failed) expect(each).toMatchObject({ reason: { code: 'data/shape', detail: { where: '3' } } });
  });
});
