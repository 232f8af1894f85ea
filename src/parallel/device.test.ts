import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobs, net } from '../../test/parallel/task.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { sgd } from '../train/index.ts';
import { openPlaces, parseDevice } from './device.ts';
import { fitParallel } from './fit.ts';
import { openParallelTrainer } from './trainer.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 2 });
});
afterAll(() => engine[Symbol.dispose]());

describe('devices', () => {
  it.each([
    ['cpu:0-1', { device: 'cpu', cores: [0, 1] }],
    ['cpu:7', { device: 'cpu', cores: [7] }],
    ['cuda:1', { device: 'cuda', index: 1 }],
    ['cuda', { device: 'cuda', index: 0 }],
    ['webgpu', { device: 'webgpu', index: 0 }],
  ])('%s', (word, place) => expect(parseDevice(word)).toEqual(place));

  it.each(['', 'cpu', 'cpu:', 'cpu:3-1', 'cpu:0-99999', 'cuda:0-1', 'webgpu:1', 'gpu:0', 'cpu:0+1', 'cpu:-1'])(
    '"%s" names none',
    (word) => expect(() => parseDevice(word)).toThrow(expect.objectContaining({ code: 'parallel/devices' })),
  );

  it('says which core or accelerator is not here, and which core was given twice', async () => {
    const opened = (...words: string[]) => openPlaces(words, { engine });
    await expect(opened(`cpu:${cpus().length}`)).rejects.toMatchObject({ code: 'engine/device' });
    await expect(opened('cpu:0', 'cpu:0')).rejects.toMatchObject({ code: 'parallel/devices' });
    if (!engine.providers.includes('CUDAExecutionProvider'))
      await expect(opened('cpu:0', 'cuda:1')).rejects.toMatchObject({
        code: 'engine/device',
        detail: { expected: 'CUDAExecutionProvider' },
      });
  });

  it('are as many as the replicas, and exclude stages', async () => {
    const how = (more: object) => fitParallel(net(), blobs(48), { devices: ['cpu:0'], ...more }, { engine });
    await expect(how({ replicas: 2 })).rejects.toMatchObject({ code: 'parallel/replicas' });
    await expect(how({ stages: 2 })).rejects.toMatchObject({ code: 'parallel/replicas' });
  });

  it.skipIf(cpus().length < 2)('replicas on cores learn what replicas learn', async () => {
    const losses = async (how: object) => {
      const list: number[] = [];
      const logs = [{ step: (_: number, loss: number) => void list.push(loss) }];
      const { report } = await fitParallel(
        net(),
        blobs(100),
        { epochs: 2, batch: 24, logs, ...how },
        { engine, seed: 3 },
      );
      return { list, replicas: report.replicas };
    };
    expect(await losses({ devices: ['cpu:0', 'cpu:1'] })).toEqual(await losses({ replicas: 2 }));
  });

  it.skipIf(process.platform !== 'linux' || cpus().length < 2)(
    'binds the threads of the engine to their cores',
    async () => {
      const coresOf = (id: string): string | undefined => {
        try {
          return /Cpus_allowed_list:\s*(\S+)/.exec(readFileSync(`/proc/self/task/${id}/status`, 'utf8'))?.[1];
        } catch {
          return undefined; // it has ended meanwhile
        }
      };
      const onOne = (): string[] => readdirSync('/proc/self/task').filter((id) => coresOf(id) === '1');
      const before = new Set(onOne());
      const options = { batch: 24, devices: ['cpu:0-1'], optimizer: () => sgd({ lr: 0.1 }) };
      using trainer = await openParallelTrainer(net(), blobs(48), options, { engine });
      // A thread binds itself once it has begun.
      await expect.poll(() => onOne().filter((id) => !before.has(id)).length, { timeout: 5000 }).toBe(1);
      for await (const loss of trainer.updates(0)) expect(loss).toBeGreaterThan(0);
    },
  );
});
