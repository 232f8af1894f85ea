import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dense, relu, sequential } from '../../src/nn/index.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { run } from '../run.ts';

let folder = '';
const at = (name: string): string => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pare-quantize-'));
  writeFileSync(at('mlp.onnx'), writeModel(sequential([dense(64), relu(), dense(64)], { input: [64] })));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function quantize(words: string): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const argv = ['quantize', at('mlp.onnx'), ...words.split(' '), '--out', at('small.onnx'), '--threads', '1', '--json'];
  const code = await run(argv, {
    stdout: { write: (text) => (said.out += text) },
    stderr: { write: (text) => (said.err += text) },
    env: { NO_COLOR: '1' },
    signal: new AbortController().signal,
    version: '1.2.3',
  });
  return { code, ...said };
}

describe('pare quantize', () => {
  it.each([
    ['--scheme fp16 --bits 8', '--bits', '--scheme static or --scheme weight-only or --scheme qat'],
    ['--scheme fp16 --portable', '--portable', '--scheme static or --scheme dynamic or --scheme qat'],
    ['--scheme dynamic --calibrate minmax', '--calibrate', '--scheme static or --scheme qat'],
    ['--scheme dynamic --block 32', '--block', '--scheme weight-only or --scheme bnb4'],
    ['--scheme bnb4 --round hqq', '--round', '--scheme static or --scheme weight-only'],
    ['--scheme weight-only --smooth 0', '--smooth', '--scheme static'],
    ['--scheme qat --target-size 1MB', '--target-size', '--scheme static'],
    ['--data random --embeddings', '--embeddings', '--scheme weight-only'],
    ['--data random --iterations 9', '--iterations', '--round adaround or --round brecq'],
    ['--scheme weight-only --samples 9', '--samples', '--round gptq or --round awq'],
    ['--dtype q8 --scheme dynamic', '--scheme', '--scheme'],
    ['--dtype q4 --per-tensor', '--per-tensor', '--scheme'],
    ['--data random --target-size 1MB --bits 4', '--bits', 'one of the two'],
    ['--data random --target-latency 1ms --target arm', '--target', 'one of the two'],
  ])('refuses what is not asked for: %s', async (words, foreign, expected) => {
    const { code, err } = await quantize(words);
    expect(code).toBe(2);
    expect(err).toContain(`${foreign} says nothing to --`);
    expect(err).toContain(expected);
    expect(existsSync(at('small.onnx'))).toBe(false);
  });

  it.each([
    '--scheme fp16 --exclude Gemm',
    '--scheme dynamic --per-tensor --portable',
    '--scheme weight-only --bits 8 --block 64 --round gptq --samples 9 --data random',
    '--data random --round adaround --iterations 2 --bits 4 --samples 32',
  ])('takes what is: %s', async (words) => {
    const { code, out } = await quantize(words);
    expect(code).toBe(0);
    expect(JSON.parse(out).out).toBe(at('small.onnx'));
    rmSync(at('small.onnx'));
  });
});
