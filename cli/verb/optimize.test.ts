import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { conv2d, dense, flatten, maxPool2d, relu, sequential } from '../../src/nn/index.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { pare as say } from '../../test/pare.ts';

/** What the tests read of the result. */
interface Json {
  readonly recipe: readonly { readonly step: string }[];
  readonly before: { readonly bytes: number };
  readonly after: { readonly bytes: number };
  readonly missed?: readonly string[];
  readonly latency: string;
  readonly cached?: boolean;
  readonly int8?: object;
  readonly memoryBytesPerSecond?: number;
}

let folder = '';
const at = (name: string): string => join(folder, name);

async function pare(...argv: string[]): Promise<{ code: number; json: Json; err: string }> {
  const { code, out, err } = await say(...argv, '--json', '--threads', '1');
  return { code, json: JSON.parse(out || '{}') as Json, err };
}

/** A CSV whose class is told by its first column. */
const rows = (count: number): string =>
  ['a,b,c,d', ...Array.from({ length: count }, (_, i) => `${(i * 7) % 11},${i % 3},${i % 5},${(i * 3) % 4}`)].join(
    '\n',
  );

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pare-optimize-'));
  writeFileSync(
    at('mlp.onnx'),
    writeModel(sequential([dense(64), relu(), dense(64), relu(), dense(3)], { input: [4] })),
  );
  const cnn = sequential([conv2d(8, 3), relu(), maxPool2d(2), flatten(), dense(20)], { input: [1, 28, 28] });
  writeFileSync(at('cnn.onnx'), writeModel(cnn));
  writeFileSync(at('relu.onnx'), writeModel(sequential([relu(), relu()], { input: [4] })));
  writeFileSync(at('one.csv'), rows(1));
  writeFileSync(at('many.csv'), rows(240));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SHORT = ['--time-budget', '1s', '--quiet'];

describe('pare optimize', () => {
  it('writes a model, a recipe that replays to the same bytes, and a report that asks nothing of the network', async () => {
    const out = at('small.onnx');
    const { code, json } = await pare('optimize', at('mlp.onnx'), '--data', at('many.csv'), '--out', out, ...SHORT);
    expect(code).toBe(0);
    expect(Object.keys(json)).toEqual(
      expect.arrayContaining(['before', 'after', 'recipe', 'frontier', 'report', 'out', 'interval', 'drop']),
    );
    const page = readFileSync(at('small.html'), 'utf8');
    expect(page).not.toMatch(/https?:|<script|<link|@import|url\(/);
    expect(page).toContain('Every trial');
    expect(existsSync(at('small.search'))).toBe(false);

    const again = await pare('run', at('small.recipe.json'), '--out', at('again.onnx'), '--quiet');
    expect(again.code).toBe(0);
    expect(readFileSync(at('again.onnx')).equals(readFileSync(out))).toBe(true);
  });

  it('ends with 3, the nearest miss and what would be needed, where a target cannot be met', async () => {
    const { code, json } = await pare(
      ...['optimize', at('mlp.onnx'), '--data', at('many.csv'), '--target-size', '100B'],
      ...['--out', at('tiny.onnx'), ...SHORT],
    );
    expect(code).toBe(3);
    expect(`${json.missed}`).toMatch(/--target-size 100 B: the nearest .*(needed|it would take)/s);
    expect(existsSync(at('tiny.onnx'))).toBe(true);
  });

  it.each([
    ['no data', [], 'only exact steps are allowed'],
    ['random data', ['--data', 'random'], 'only exact steps are allowed'],
    ['one sample', ['--data', 'one.csv'], 'too few to search on'],
  ])('does only what is exact with %s, and says so', async (_, flags, note) => {
    const data = flags.map((flag) => (flag.endsWith('.csv') ? at(flag) : flag));
    const { code, json, err } = await pare(
      'optimize',
      at('mlp.onnx'),
      ...data,
      '--out',
      at('exact.onnx'),
      '--time-budget',
      '1s',
    );
    expect(code).toBe(0);
    expect(err + JSON.stringify(json)).toContain(note);
    const steps = json.recipe.map(({ step }) => step);
    expect(steps.every((step) => step === 'simplify' || step === 'store')).toBe(true);
  });

  it('gives back a model that has nothing to optimise', async () => {
    const { code, json } = await pare(
      'optimize',
      at('relu.onnx'),
      '--data',
      at('many.csv'),
      '--out',
      at('r.onnx'),
      ...SHORT,
    );
    expect(code).toBe(0);
    expect(json.after.bytes).toBeLessThanOrEqual(json.before.bytes);
  });

  it('makes an already quantised model no larger', async () => {
    const int8 = at('int8.onnx');
    const made = await pare('quantize', at('mlp.onnx'), '--data', at('many.csv'), '--out', int8, '--quiet');
    expect(made.code).toBe(0);
    const { code, json } = await pare('optimize', int8, '--data', at('many.csv'), '--out', at('q.onnx'), ...SHORT);
    expect(code).toBe(0);
    expect(json.after.bytes).toBeLessThanOrEqual(json.before.bytes);
  });

  it('measures the machine once', async () => {
    vi.stubEnv('XDG_CACHE_HOME', at('cache'));
    const [first, second, third] = [await pare('doctor'), await pare('doctor'), await pare('doctor', '--fresh')];
    vi.unstubAllEnvs();
    expect([first.json.cached, second.json.cached, third.json.cached]).toEqual([false, true, false]);
    expect(second.json.int8).toEqual(first.json.int8);
    expect(first.json.memoryBytesPerSecond).toBeGreaterThan(1e8);
  });

  it('takes a machine by name or by the profile that doctor saved', async () => {
    const profile = at('profile.json');
    expect((await pare('doctor', '--save', profile)).code).toBe(0);
    const args = ['optimize', at('mlp.onnx'), '--data', at('many.csv'), ...SHORT];
    const byFile = await pare(...args, '--target', profile, '--out', at('f.onnx'));
    expect(`${byFile.json.latency}`).toContain('predicted from the profile of');
    const unknown = await pare(...args, '--target', 'wams', '--out', at('g.onnx'));
    expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining('did you mean "wasm"?')]);
  });

  it('takes an end by name, beside preprocessing of its own', async () => {
    const args = ['optimize', at('mlp.onnx'), '--data', at('many.csv'), ...SHORT, '--out', at('p.onnx')];
    const tiny = await pare(...args, '--preset', 'tiny', '--preset', 'unit');
    expect([tiny.code, tiny.json.after.bytes < tiny.json.before.bytes]).toEqual([0, true]);
    expect(JSON.parse(readFileSync(at('p.recipe.json'), 'utf8')).flags.preset).toBe('unit');
    const web = await pare('optimize', at('relu.onnx'), '--preset', 'web', ...SHORT, '--out', at('w.onnx'));
    expect(web.json.latency).toContain('wasm');
    const wrong = await pare(...args, '--preset', 'tyni');
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('did you mean "tiny"?')]);
  });

  it('refuses what is no quantity', async () => {
    const { code, err } = await pare('optimize', at('mlp.onnx'), '--target-size', '5ms');
    expect([code, err]).toEqual([2, expect.stringContaining('--target-size takes a number with its unit')]);
  });
});
