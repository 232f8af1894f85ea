/**
 * Static int8 beside onnxruntime.quantization and NNCF: the same models, the same calibration images, everybody's defaults
 * (peers: per channel, since theirs without loses more).
 *
 * Run      npm run build && PARE_PYTHON=venv/bin/python node dist/bench/quantize/peers.js [--samples 300] [--test 1000]
 *          [--rounds 11] [--json] [part of a model's name …]
 * Prints   seconds to quantise; file size; latency over the float model's (interleaved, one thread, batch 1); accuracy
 *          and the share of images with the float model's answer
 */

import { parseArgs } from 'node:util';
import { take } from '../../src/data/index.ts';
import { readModelFile, writeModel } from '../../src/onnx/index.ts';
import { accuracy } from '../../src/quantize/accuracy.ts';
import { quantize } from '../../src/quantize/index.ts';
import { feedsFor } from '../../src/quantize/observe.ts';
import { measure, openEngine, steadyRun } from '../../src/runtime/index.ts';
import { load, MODELS, ofOne } from './models.ts';
import { openRivals } from './rivals.ts';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    samples: { type: 'string', default: '300' },
    test: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '11' },
    json: { type: 'boolean', default: false },
  },
});
const root = process.env['PARE_DATA'] ?? '../shared/data';
using engine = await openEngine();
using opened = await openRivals();
const { rivals, skipped } = opened;

const workloads = [];
for (const [name, preparation] of Object.entries(MODELS)) {
  if (positionals.length > 0 && !positionals.some((part) => name.includes(part))) continue;
  const file = `${root}/models/${name}.onnx`;
  const model = await readModelFile(file);
  const train = take(load(root, preparation.images, preparation.labels, preparation, 2000), Number(flags.samples));
  const test = preparation.test ? load(root, ...preparation.test, preparation, Number(flags.test)) : train;
  const started = performance.now();
  const { model: ours } = await quantize(model, { data: train }, { engine });
  const results = [{ name: 'pare', model: ours, seconds: (performance.now() - started) / 1000 }];
  for (const rival of rivals) {
    const made = await rival.quantize(file, model, train);
    if (made) results.push({ name: rival.name, ...made });
  }
  const first = feedsFor(model.graph, train, [0]);
  const sessions = [];
  for (const each of [model, ...results.map((result) => result.model)]) {
    sessions.push(await engine.load(writeModel(each), { threads: 1 }));
  }
  const runs = await Promise.all(sessions.map((session) => steadyRun(session, first)));
  const cases = runs.map(({ run }, i) => ({ name: `${i}`, run }));
  const times = await measure(cases, { rounds: Number(flags.rounds) });
  for (const held of [...runs, ...sessions]) held[Symbol.dispose]();
  for (const [i, { name: by, model: small, seconds }] of results.entries()) {
    const judged = await accuracy(ofOne(model), small, test, { engine }).catch((error: Error) => error);
    if (judged instanceof Error) {
      console.error(`${by} on ${name}: ${judged.message}`);
      continue;
    }
    const row = {
      name,
      by,
      seconds,
      bytes: writeModel(small).length,
      latency: times[i + 1]!.ratio,
      before: judged.before,
      accuracy: judged.after,
      same: judged.sameTop,
      cosine: judged.cosine,
    };
    workloads.push(row);
    const share = (x: number | undefined): string => (x === undefined ? '-' : (100 * x).toFixed(2));
    if (!flags.json) {
      console.log(
        `${name.padEnd(28)} ${by.padEnd(12)} ${seconds.toFixed(2).padStart(6)} s ${`${row.bytes}`.padStart(9)} B  ${row.latency.toFixed(2)}x ms  top-1 ${share(row.before)} → ${share(row.accuracy)}  same ${share(row.same)}  cosine ${row.cosine.toFixed(4)}`,
      );
    }
  }
}
if (flags.json) console.log(JSON.stringify({ workloads, skipped }));
else if (skipped.length > 0) console.log(`skipped, not installed: ${skipped.join(', ')}`);
