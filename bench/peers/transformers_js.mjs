/**
 * Does @huggingface/transformers load what `pare quantize --dtype` writes? By name of the dtype, and by the hints in config.json alone.
 *
 * Run      npm run build
 *          node dist/cli/main.js quantize model.onnx --dtype fp32,q8,q4,fp16 --out folder && node bench/peers/transformers_js.mjs folder
 * Prints   for each dtype of the folder's quantize_config.json, and without one: the outputs' shapes and the cosine to the folder's first
 * Exit     1 when a file does not load or run, or answers with another shape
 */

import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { AutoModel, env, Tensor } from '@huggingface/transformers';

const folder = resolve(process.argv[2] ?? '.');
env.allowRemoteModels = false;
env.localModelPath = dirname(folder);
const { modes } = JSON.parse(readFileSync(`${folder}/quantize_config.json`, 'utf8'));

/** Random numbers for every input, the same for every file. */
function feedsOf(session) {
  let seed = 1;
  const next = () => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed / 2 ** 31 - 0.5;
  };
  const feeds = {};
  for (const { name, type, shape } of session.inputMetadata) {
    const dims = shape.map((dim) => (typeof dim === 'number' && dim > 0 ? dim : 1));
    const count = dims.reduce((a, b) => a * b, 1);
    const isInteger = type.startsWith('int');
    const values = Array.from({ length: count }, () => (isInteger ? 0 : next()));
    feeds[name] = new Tensor(type, type === 'int64' ? values.map(BigInt) : values, dims);
  }
  return feeds;
}

const cosine = (a, b) => {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i] * b[i];
    aa += a[i] ** 2;
    bb += b[i] ** 2;
  }
  return ab / Math.sqrt(aa * bb);
};

let first;
for (const dtype of [...modes, undefined]) {
  const model = await AutoModel.from_pretrained(basename(folder), dtype ? { dtype } : {});
  const [session] = Object.values(model.sessions);
  const answer = Object.values(await model(feedsOf(session)))[0];
  first ??= answer;
  const isSame = answer.dims.join() === first.dims.join();
  if (!isSame) process.exitCode = 1;
  console.log(
    `${(dtype ?? 'as hinted').padEnd(10)} [${answer.dims}] cosine ${cosine(answer.data, first.data).toFixed(5)}`,
  );
  await model.dispose();
}
