/**
 * Audio and bytes on dynamic integers: a voice detector that hears a minute of speech, and a classifier that names the files that stand around here.
 *
 * Run      npm run build && node dist/bench/quantize/dynamic.js [--rounds 51] [--json]
 * Data     $PARE_DATA or ../shared/data: models/silero_vad_16k.onnx, sequence/speech16k, models/magika_standard_v3_3.onnx
 * Prints   size over the original's; milliseconds over it (one sample, one thread, in turn); answers that stay, of how many; the greatest change of a
 *          probability; cosine of the answers
 *
 * The detector keeps the state that its own integers came to, from the first step to the last; it decides at 0.5.
 */

import { parseArgs } from 'node:util';
import type { Model } from '../../src/graph/model.ts';
import { float32, floats, int64 } from '../../src/graph/tensor.ts';
import { modelBytes, readModelFile, writeModel } from '../../src/onnx/index.ts';
import { record } from '../../src/quantize/agreement.ts';
import { quantizeDynamic } from '../../src/quantize/index.ts';
import { feedsFor } from '../../src/quantize/observe.ts';
import { type Feeds, type Lab, measure, openEngine, steadyRun } from '../../src/runtime/index.ts';
import { steps } from '../accuracy/optimize/sound.ts';
import { dataFolder, workloads } from '../accuracy/optimize/workloads.ts';

const { values: flags } = parseArgs({
  options: { rounds: { type: 'string', default: '51' }, json: { type: 'boolean', default: false } },
});
using engine = await openEngine({ threads: 1 });
const lab: Lab = { engine, seed: 0, threads: 1 };

/** A model that answers with probabilities, and what it says of its samples. */
interface Subject {
  readonly model: Model;
  /** One sample, to time. */
  readonly feeds: Feeds;
  /** One list of probabilities for each sample. */
  readonly answers: (model: Model) => Promise<Float32Array[]>;
  /** What is decided by such a list. */
  readonly decide: (probabilities: Float32Array) => number;
}

async function detector(): Promise<Subject> {
  const model = await readModelFile(`${dataFolder}/models/silero_vad_16k.onnx`);
  const { train } = await steps(model, dataFolder, lab);
  const { graph } = model;
  const heard = { ...graph, inputs: graph.inputs.filter(({ name }) => name !== 'sr') };
  return {
    model,
    feeds: {
      ...feedsFor(heard, train, [0]),
      state: float32([2, 1, 128], new Float32Array(256)),
      sr: int64([], [16_000]),
    },
    answers: async (of) => Array.from((await steps(of, dataFolder, lab)).speaks, (p) => Float32Array.of(p)),
    decide: ([p]) => (p! > 0.5 ? 1 : 0),
  };
}

async function namer(): Promise<Subject> {
  const { model, data } = await workloads['magika_standard_v3_3']!.open(lab);
  const all = Int32Array.from({ length: data.train.size }, (_, i) => i);
  return {
    model,
    feeds: feedsFor(model.graph, data.train, [0]),
    async answers(of) {
      const { batches, first } = await record(of, data.train, all, lab);
      return batches.flatMap(({ outputs }) => {
        const { dims } = outputs[first]!;
        const x = floats(outputs[first]!);
        return Array.from({ length: dims[0]! }, (_, i) => x.slice(i * dims[1]!, (i + 1) * dims[1]!));
      });
    },
    decide: (p) => p.indexOf(p.reduce((a, b) => Math.max(a, b))),
  };
}

const rows = [];
for (const [name, make] of Object.entries({ silero_vad_16k: detector, magika_standard_v3_3: namer })) {
  const { model, feeds, answers, decide } = await make();
  const { model: small } = await quantizeDynamic(model, {}, lab);
  const [before, after] = [await answers(model), await answers(small)];
  const dot = (a: readonly Float32Array[], b: readonly Float32Array[]): number =>
    a.reduce((sum, row, i) => sum + row.reduce((s, x, k) => s + x * b[i]![k]!, 0), 0);
  using a = await engine.load(writeModel(model), { threads: 1 });
  using b = await engine.load(writeModel(small), { threads: 1 });
  using one = await steadyRun(a, feeds);
  using two = await steadyRun(b, feeds);
  const cases = [one, two].map(({ run }, i) => ({ name: `${i}`, run }));
  const [float, int8] = await measure(cases, { rounds: Number(flags.rounds) });
  rows.push({
    name,
    bytes: modelBytes(small),
    size: modelBytes(small) / modelBytes(model),
    floatMs: float!.p50Ms,
    ratio: int8!.ratio,
    samples: before.length,
    same: before.filter((row, i) => decide(row) === decide(after[i]!)).length,
    mostMoved: Math.max(...before.flatMap((row, i) => Array.from(row, (p, k) => Math.abs(p - after[i]![k]!)))),
    cosine: dot(before, after) / Math.sqrt(dot(before, before) * dot(after, after)),
  });
}
if (flags.json) console.log(JSON.stringify({ workloads: rows }));
else {
  for (const { name, bytes, size, ratio, samples, same, mostMoved, cosine } of rows)
    console.log(
      `${name.padEnd(22)} ${bytes} B  ${size.toFixed(2)}x  ${ratio.toFixed(2)}x ms  same ${same} of ${samples}  moved at most ${mostMoved.toFixed(3)}  cosine ${cosine.toFixed(5)}`,
    );
}
