/**
 * Static int8 on real models and images: size, speed, and how much of the accuracy stays.
 *
 * Run      npm run build && node dist/bench/quantize/main.js [--data folder] [--calibrate name] [--bits 7|8]
 *          [--bias plain] [--max-drop share] [--rounds 21, 0 for no timing] [part of a model's name …]
 * Prints   file size before over after; single-thread latency float over int8 at batch 1 and 8 (interleaved rounds, median);
 *          top-1 before and after and the share of images with the same top-1 (detectors: cosine of the output).
 */

import { feedsOf, type Model, tensorType } from '../../src/graph/model.ts';
import { readModelFile, writeModel } from '../../src/onnx/index.ts';
import { accuracy } from '../../src/quantize/accuracy.ts';
import { type CalibratorName, quantize } from '../../src/quantize/index.ts';
import { feedsFor } from '../../src/quantize/observe.ts';
import { measure, openEngine, steadyRun } from '../../src/runtime/index.ts';
import { load, MODELS } from './models.ts';

const flag = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv.splice(at, 2)[1];
};
const folder = flag('data') ?? process.env['PARE_DATA'] ?? '../shared/data';
const calibrate = (flag('calibrate') ?? 'minmax') as CalibratorName;
const bits = flag('bits');
const maxDrop = flag('max-drop');
const plainBias = flag('bias') === 'plain';
const rounds = Number(flag('rounds') ?? 21); // 0: no timing
const asked = process.argv.slice(2);
using engine = await openEngine();

const withBatch = (model: Model, batch: number): boolean => {
  const first = tensorType(feedsOf(model.graph)[0])?.dims?.[0];
  return typeof first !== 'number' || first === batch;
};
const show = (cells: readonly (string | number)[]): void =>
  console.log(cells.map((cell, i) => `${cell}`[i === 0 ? 'padEnd' : 'padStart'](i === 0 ? 28 : 9)).join(' '));

show([
  'model',
  'kB',
  'int8 kB',
  'smaller',
  'b1 ms',
  'faster',
  'b8 ms',
  'faster',
  'top-1',
  'int8',
  'same',
  'cosine',
  'kept',
  's',
]);
for (const [name, preparation] of Object.entries(MODELS)) {
  if (asked.length > 0 && !asked.some((part) => name.includes(part))) continue;
  const model = await readModelFile(`${folder}/models/${name}.onnx`);
  const train = load(folder, preparation.images, preparation.labels, preparation, 2000);
  const test = preparation.test ? load(folder, ...preparation.test, preparation, 2000) : train;
  const from = performance.now();
  const { model: small, report } = await quantize(
    model,
    {
      data: train,
      judge: test,
      calibrate,
      biasCorrect: !plainBias,
      ...(!bits && { kernels: 'measured' as const }),
      ...(maxDrop && { maxDrop: Number(maxDrop) }),
      ...(bits && { weightBits: bits === '7' ? 7 : 8 }),
    },
    { engine },
  );
  const seconds = (performance.now() - from) / 1000;
  const latency: string[] = [];
  for (const batch of [1, 8]) {
    if (rounds === 0 || !withBatch(model, batch)) {
      latency.push('-', '-');
      continue;
    }
    const feeds = feedsFor(
      model.graph,
      train,
      Array.from({ length: batch }, (_, i) => i),
    );
    using a = await engine.load(writeModel(model), { threads: 1 });
    using b = await engine.load(writeModel(small), { threads: 1 });
    using one = await steadyRun(a, feeds);
    using two = await steadyRun(b, feeds);
    const cases = [one, two].map(({ run }, i) => ({ name: `${i}`, run }));
    const [float, int8] = await measure(cases, { rounds });
    latency.push(float!.p50Ms.toFixed(2), `${(1 / int8!.ratio).toFixed(2)}x`);
  }
  const judged = await accuracy(model, small, test, { engine });
  const share = (x: number | undefined): string => (x === undefined ? '-' : (100 * x).toFixed(2));
  show([
    name,
    (report.before.bytes / 1000).toFixed(1),
    (report.after.bytes / 1000).toFixed(1),
    `${(report.before.bytes / report.after.bytes).toFixed(2)}x`,
    ...latency,
    share(judged.before),
    share(judged.after),
    share(judged.sameTop),
    judged.cosine.toFixed(4),
    report.kept.length,
    seconds.toFixed(1),
  ]);
  if (process.env['VERBOSE']) console.log(report.scheme, report.kept, report.fused);
}
