import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobs, net } from '../../test/parallel/task.ts';
import { cached, record } from '../distill/index.ts';
import { writeModel } from '../onnx/index.ts';
import { criteria, sensitivity as pruneSensitivity } from '../prune/index.ts';
import { quantize } from '../quantize/index.ts';
import { evaluate } from '../report/evaluate.ts';
import { type Engine, type Lab, openEngine } from '../runtime/index.ts';
import { accuracy, predictAll, scoreModel, scorer } from '../train/index.ts';

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
});
