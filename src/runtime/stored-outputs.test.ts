/** Real models give the outputs that their publishers stored. Skipped where the data is not at hand ($PARE_DATA). */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DTYPES, dtypeOf } from '../graph/dtype.ts';
import { numbers, type Tensor } from '../graph/tensor.ts';
import { openEngine } from './open.ts';

const ROOT = join(process.env['PARE_DATA'] ?? resolve('../shared/data'), 'models');
const present = existsSync(join(ROOT, 'io'));
/** One of each kind: plain, integer, 16-bit, recurrent with several inputs, tokens. */
const MODELS = [
  'iris_mlp',
  'resnet20_cifar10',
  'mlperf_resnet8_cifar10_int8_qdq',
  'squeezenet1.0_fp16',
  'silero_vad_16k',
  'gpt_nano_sort',
];

/** TensorProto as these files have it: dims 1, data_type 2, float_data 4, int64_data 7, name 8, raw_data 9. */
function readTensor(path: string): { name: string; tensor: Tensor } {
  const bytes = new Uint8Array(readFileSync(path)); // no Buffer, whose slices are views
  const dims: number[] = [];
  let [at, code, name, data] = [0, 0, '', new Uint8Array(0)];
  const varint = (): number => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const [field, wire] = [key >> 3, key & 7];
    const value = varint();
    if (wire === 0) {
      if (field === 1) dims.push(value);
      if (field === 2) code = value;
      continue;
    }
    const end = at + value;
    const content = bytes.subarray(at, end);
    if (field === 8) name = new TextDecoder().decode(content);
    if (field === 9 || field === 4) data = content; // float_data is packed, so its bytes are raw_data's
    if (field === 1) while (at < end) dims.push(varint());
    if (field === 7) {
      const values: bigint[] = [];
      while (at < end) values.push(BigInt(varint()));
      data = new Uint8Array(BigInt64Array.from(values).buffer);
    }
    at = end;
  }
  return { name, tensor: { dtype: dtypeOf(code) ?? 'float32', dims, bytes: data } };
}

const folder = (model: string, kind: string): { name: string; tensor: Tensor }[] =>
  readdirSync(join(ROOT, 'io', model))
    .filter((file) => file.startsWith(kind))
    .sort()
    .map((file) => readTensor(join(ROOT, 'io', model, file)));

describe.skipIf(!present)('stored outputs (skipped without $PARE_DATA or ../shared/data)', () => {
  for (const engineName of ['native', 'wasm'] as const) {
    it.each(MODELS)(`${engineName} gives them for %s`, async (model) => {
      using engine = await openEngine({ engine: engineName });
      // The stored outputs of QDQ graphs are their float simulation.
      using session = await engine.load(join(ROOT, `${model}.onnx`), { config: { 'session.disable_quant_qdq': '1' } });
      const stored = folder(model, 'input');
      const feeds = Object.fromEntries(stored.map(({ name, tensor }, i) => [name || session.inputs[i]!.name, tensor]));
      const got = await session.run(feeds);
      for (const [i, { name, tensor }] of folder(model, 'output').entries()) {
        const output = got[name || session.outputs[i]!.name]!;
        expect(output.dtype).toBe(tensor.dtype);
        expect(output.dims).toEqual(tensor.dims);
        const expected = numbers(tensor);
        const scale = Math.max(...expected.map(Math.abs), 1e-6);
        const tolerance = DTYPES[tensor.dtype].bits === 16 || model.includes('int8') ? 1e-2 : 1e-4;
        const worst = numbers(output).reduce((most, value, k) => Math.max(most, Math.abs(value - expected[k]!)), 0);
        expect(worst / scale).toBeLessThan(tolerance);
      }
    });
  }
});
