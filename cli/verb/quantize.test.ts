import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dense, relu, sequential } from '../../src/nn/index.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { pare, type Said } from '../../test/pare.ts';

let folder = '';
const at = (name: string): string => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pare-quantize-'));
  writeFileSync(at('mlp.onnx'), writeModel(sequential([dense(64), relu(), dense(64)], { input: [64] })));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const quantize = (words: string): Promise<Said> =>
  pare('quantize', at('mlp.onnx'), ...words.split(' '), '--out', at('small.onnx'), '--threads', '1', '--json');

describe('pare quantize', () => {
  it.each([
    ['--scheme fp16 --bits 8', '--bits', '--scheme static or --scheme weight-only or --scheme qat'],
    ['--scheme fp16 --portable', '--portable', '--scheme static or --scheme dynamic or --scheme qat'],
    ['--scheme dynamic --calibrate minmax', '--calibrate', '--scheme static or --scheme qat'],
    ['--scheme dynamic --activations s8', '--activations', '--scheme static or --scheme qat'],
    ['--scheme dynamic --block 32', '--block', '--scheme weight-only or --scheme bnb4'],
    ['--scheme bnb4 --round hqq', '--round', '--scheme static or --scheme weight-only'],
    ['--scheme weight-only --smooth 0', '--smooth', '--scheme static'],
    ['--scheme qat --target-size 1MB', '--target-size', '--scheme static'],
    ['--data random --embeddings', '--embeddings', '--scheme weight-only'],
    ['--data random --iterations 9', '--iterations', '--round adaround or --round brecq'],
    ['--scheme weight-only --samples 9', '--samples', '--round gptq or --round awq'],
    ['--data random --round gptq', '--round gptq', '--scheme weight-only'],
    ['--scheme weight-only --round brecq', '--round brecq', '--scheme static'],
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
    '--data random --activations s8-symmetric --samples 32',
  ])('takes what is: %s', async (words) => {
    const { code, out } = await quantize(words);
    expect(code).toBe(0);
    const { out: file, scheme } = JSON.parse(out);
    expect(file).toBe(at('small.onnx'));
    if (words.includes('s8-symmetric')) expect(scheme).toContain('s8-symmetric activations');
    rmSync(at('small.onnx'));
  });
});
