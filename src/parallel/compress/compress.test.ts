import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobs, net } from '../../../test/parallel/task.ts';
import { random } from '../../base/random.ts';
import { type Engine, openEngine } from '../../runtime/index.ts';
import { adamw, sgd } from '../../train/index.ts';
import { fitParallel, type ParallelFitOptions } from '../fit.ts';
import { localGroup } from '../local.ts';
import { type Compression, compressions, fp16, parseCompression, plainBytes, topK } from './index.ts';
import { largest } from './top-k.ts';

let engine: Engine;
const folder = mkdtempSync(join(tmpdir(), 'pare-compress-'));
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => {
  engine[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

const noise = (length: number, seed: number, size = 1): Float32Array => {
  const source = random(seed, 'noise');
  return Float32Array.from({ length }, () => size * source.normal());
};

/** What every rank ends with, and what it sent. */
async function reduced(compression: Compression, terms: readonly Float32Array[], rounds = 1) {
  return Promise.all(
    localGroup(terms.length).map(async (collective, rank) => {
      using running = await compression.start(terms[rank]!.length, collective, { engine });
      const sums: Float32Array[] = [];
      for (let round = 0; round < rounds; round++) {
        const values = terms[rank]!.slice();
        await running.allReduce(values);
        sums.push(values);
      }
      return { sums, bytes: running.bytes, residual: running.residual?.slice() };
    }),
  );
}

const plain = (terms: readonly Float32Array[]): number[] =>
  Array.from(terms[0]!, (_, i) => terms.reduce((sum, term) => sum + term[i]!, 0));

describe.each(Object.keys(compressions) as (keyof typeof compressions)[])('%s', (name) => {
  it.each([2, 3])('gives all of %i ranks the same bits, and names itself', async (ranks) => {
    const compression = parseCompression(name);
    const answers = await reduced(
      compression,
      Array.from({ length: ranks }, (_, r) => noise(101, r)),
      3,
    );
    for (const { sums } of answers) expect(sums).toEqual(answers[0]!.sums);
    expect(parseCompression(compression.name).name).toBe(compression.name);
  });
});

describe('fp16', () => {
  it.each([
    [1, 64],
    [1e-12, 101],
    [1e9, 7],
    [0, 5],
  ])('sums of numbers near %d are right to 2⁻⁹ of their size, or 2⁻²⁶ of the largest', async (size, length) => {
    const terms = [0, 1, 2].map((r) => noise(length, r, size));
    const exact = plain(terms);
    const most = Math.max(...terms.flatMap((term) => [...term]).map(Math.abs));
    const { sums } = (await reduced(fp16(), terms))[0]!;
    exact.forEach((x, i) => {
      const scale = terms.reduce((sum, term) => sum + Math.abs(term[i]!), 0);
      expect(Math.abs(sums[0]![i]! - x)).toBeLessThanOrEqual(2 ** -9 * scale + 2 ** -26 * most);
    });
  });

  it('sends half of the bytes', async () => {
    const answers = await reduced(fp16(), [noise(1e4, 1), noise(1e4, 2)]);
    expect(answers[0]!.bytes / plainBytes(1e4, 2)).toBeCloseTo(0.5, 2);
  });
});

describe('topk', () => {
  it('finds the places of the largest magnitudes, to 1/128 of their size', () => {
    for (const [seed, k] of [
      [1, 1],
      [2, 10],
      [3, 499],
      [4, 500],
    ] as const) {
      const values = noise(500, seed);
      const found = [...largest(values, k)];
      expect(new Set(found).size).toBe(k);
      const smallest = Math.min(...found.map((i) => Math.abs(values[i]!)));
      const left = values.filter((_, i) => !found.includes(i)).map(Math.abs);
      expect(Math.max(0, ...left)).toBeLessThanOrEqual(smallest * (1 + 1 / 128));
    }
    expect([...largest(new Float32Array(5), 2)]).toEqual([0, 1]);
  });

  it('loses nothing: what was sent and what is left are all that came in', async () => {
    const terms = [noise(200, 1), noise(200, 2)];
    const answers = await reduced(topK(0.05), terms, 8);
    const total = plain(terms).map((x) => 8 * x);
    total.forEach((x, i) => {
      const sent = answers[0]!.sums.reduce((sum, values) => sum + values[i]!, 0);
      const left = answers.reduce((sum, { residual }) => sum + residual![i]!, 0);
      expect(sent + left).toBeCloseTo(x, 4);
    });
    expect(answers[0]!.bytes).toBe(8 * 10);
  });

  it('refuses shares that are none', () => {
    expect(() => topK(0)).toThrow(expect.objectContaining({ code: 'option/share' }));
    expect(() => parseCompression('topk:200%')).toThrow(expect.objectContaining({ code: 'option/share' }));
    expect(() => parseCompression('fp17')).toThrow(expect.objectContaining({ code: 'option/unknown' }));
    expect(() => parseCompression('fp16:3')).toThrow(expect.objectContaining({ code: 'parallel/compress' }));
  });
});

describe('training with compressed slopes', () => {
  async function curves(more: Partial<ParallelFitOptions>, ranks = 2) {
    const all = await Promise.all(
      localGroup(ranks).map(async (collective) => {
        const losses: number[] = [];
        const logs = [{ step: (_: number, loss: number) => void losses.push(loss) }];
        const how = { epochs: 6, batch: 24, optimizer: adamw({ lr: 5e-3 }), collective, logs, ...more };
        const { report, model } = await fitParallel(net(), blobs(100), how, { engine, seed: 3 });
        return { losses, report, weights: [...model.graph.initializers.values()].map(({ bytes }) => [...bytes]) };
      }),
    );
    for (const { weights } of all) expect(weights).toEqual(all[0]!.weights);
    return all[0]!;
  }

  it('fp16 keeps to the curve', async () => {
    const [whole, half] = [await curves({}), await curves({ compress: fp16() })];
    half.losses.forEach((loss, i) => {
      expect(Math.abs(loss - whole.losses[i]!)).toBeLessThan(0.01 * whole.losses[0]!);
    });
    expect(half.report.traffic!.bytes / half.report.traffic!.plainBytes).toBeCloseTo(0.5, 1);
  });

  it('topk with its error fed back converges, with a twentieth of the bytes', async () => {
    const how = { epochs: 15, optimizer: sgd({ lr: 0.1 }) };
    const [whole, few] = [await curves(how), await curves({ ...how, compress: topK(0.05) })];
    const last = (list: readonly number[]): number => list.slice(-4).reduce((sum, x) => sum + x / 4, 0);
    expect(last(few.losses)).toBeLessThan(0.5 * few.losses[0]!);
    expect(last(few.losses)).toBeLessThan(last(whole.losses) + 0.15 * whole.losses[0]!);
    expect(few.report.traffic!.bytes / few.report.traffic!.plainBytes).toBeLessThan(0.11);
  });

  it('goes on to the same bytes, what was kept back included', async () => {
    const checkpoint = { folder: join(folder, 'topk') };
    const how = { compress: topK(0.05) };
    await curves({ ...how, epochs: 2, checkpoint });
    const resumed = await curves({ ...how, epochs: 4, checkpoint, resume: true });
    expect(resumed.weights).toEqual((await curves({ ...how, epochs: 4 })).weights);
  });

  it('is for ranks that hold the whole model', async () => {
    await expect(curves({ compress: fp16(), shardUpdate: true })).rejects.toMatchObject({ code: 'parallel/exclusive' });
    await expect(curves({ compress: fp16(), stages: 2 })).rejects.toMatchObject({ code: 'parallel/exclusive' });
  });
});
