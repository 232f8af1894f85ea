import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { dense, relu, sequential } from '../src/nn/index.ts';
import { writeModel } from '../src/onnx/index.ts';
import { toHalfStorage } from '../src/quantize/index.ts';
import { pare } from '../test/pare.ts';

const folder = mkdtempSync(join(tmpdir(), 'pare-plan-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const network = sequential([dense(64), relu(), dense(64)], { input: [64] });
const file = join(folder, 'mlp.onnx');
writeFileSync(file, writeModel(network));

const plan = (...flags: string[]) => planOf(file, ...flags);

async function planOf(model: string, ...flags: string[]) {
  const said = await pare('plan', model, '--json', '--quiet', '--batch', '16', ...flags);
  return { ...said, result: JSON.parse(said.out) };
}

it('predicts for each number of ranks, the best way first', async () => {
  const { code, result } = await plan('--ranks', '1..8', '--link', '100Mb', '--latency', '10');
  expect(code).toBe(0);
  expect(result.plans.map(({ ranks }: { ranks: number }) => ranks)).toEqual([1, 2, 4, 8]);
  expect(result.link).toEqual({ latencyUs: 10, gigabitsPerSecond: 0.1 });
  for (const { ranks, best, all } of result.plans) {
    expect(best.replicas * best.stages * best.tensor).toBe(ranks);
    expect(Math.min(...all.map(({ stepMs }: { stepMs: number }) => stepMs))).toBe(best.stepMs);
  }
  expect(result.plans[0].best.efficiency).toBeCloseTo(1, 5);
});

it('says what a link and a range look like', async () => {
  expect(await plan('--link', 'fast')).toMatchObject({ code: 2, err: expect.stringContaining('10Gb') });
  expect(await plan('--ranks', 'many')).toMatchObject({ code: 2, err: expect.stringContaining('1..1024') });
});

it('plans for a model whose weights are stored narrow as it would learn', async () => {
  const narrow = join(folder, 'narrow.onnx');
  writeFileSync(narrow, writeModel(toHalfStorage(network).model));
  const { code, result } = await planOf(narrow, '--ranks', '2');
  expect(code).toBe(0);
  expect(result.measured.parameters).toBe(2 * 64 * 65);
});
