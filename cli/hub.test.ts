/** What `--dtype` writes, opened by the library that it is for. */

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { AutoModel, env, Tensor } from '@huggingface/transformers';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { random } from '../src/base/random.ts';
import { dense, relu, sequential } from '../src/nn/index.ts';
import { writeModel } from '../src/onnx/index.ts';
import { dtypes } from '../src/quantize/dtype.ts';
import { pare } from '../test/pare.ts';

const WIDTH = 64;
const NAMES = Object.keys(dtypes) as (keyof typeof dtypes)[];
/** Least cosine to the float answers, by bits of a weight. */
const FOUR_BITS = 0.97;
const EIGHT_BITS = 0.998;

let folder = '';
beforeAll(async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => {}); // that config.json names no architecture
  folder = mkdtempSync(join(tmpdir(), 'pare-hub-'));
  const file = join(folder, 'source.onnx');
  writeFileSync(file, writeModel(sequential([dense(128), relu(), dense(32)], { input: [WIDTH], seed: 3 })));
  expect((await pare('quantize', file, '--dtype', NAMES.join(), '--out', join(folder, 'hub'))).code).toBe(0);
  env.allowRemoteModels = false;
  env.localModelPath = folder;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The answer of a form, by its name, or by what config.json says. */
async function answerOf(dtype: keyof typeof dtypes | undefined): Promise<Float32Array> {
  const hub = join(folder, 'hub');
  expect(dirname(hub)).toBe(env.localModelPath);
  const model = await AutoModel.from_pretrained(basename(hub), dtype ? { dtype } : {});
  const source = random(1, 'x');
  const x = Float32Array.from({ length: 2 * WIDTH }, () => source.normal());
  const [output] = Object.values((await model({ x: new Tensor('float32', x, [2, WIDTH]) })) as Record<string, Tensor>);
  expect(output!.dims).toEqual([2, 32]);
  const answer = Float32Array.from(output!.data as Float32Array);
  await model.dispose();
  return answer;
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

it.each(NAMES)('%s loads in transformers.js by its name and answers like the floats', async (dtype) => {
  const expected = await answerOf('fp32');
  expect(cosine(await answerOf(dtype), expected)).toBeGreaterThan(/4/.test(dtype) ? FOUR_BITS : EIGHT_BITS);
});

it('loads by the hints in config.json alone', async () => {
  expect(readdirSync(join(folder, 'hub'))).toContain('config.json');
  expect(cosine(await answerOf(undefined), await answerOf('fp32'))).toBeGreaterThan(FOUR_BITS);
});
