/**
 * The seed network in 8, 6, 4, 3 and 2 bits of weight: dense layers alone, convolutions alone, and all of them; rounded
 * to nearest, by AdaRound, and by quantisation-aware training. Activations have 8 bits throughout.
 *
 * Run      npm run build && node dist/bench/accuracy/quantize-bits.js [--bits 8,6,4,3,2] [--samples 6000] [--iterations 300]
 *          [--epochs 2] [--methods nearest,adaround,qat] [--json]
 * Data     $PARE_DATA or ../shared/data: mnist
 * Prints   bytes of the file; milliseconds at batch 1 over the float network's (interleaved, one thread); accuracy on t10k
 */

import { parseArgs } from 'node:util';
import { openData, portsOf, take } from '../../src/data/index.ts';
import type { Model } from '../../src/graph/model.ts';
import { seedCnn } from '../../src/nn/index.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { quantize, quantizeAware } from '../../src/quantize/index.ts';
import { measureModels } from '../../src/report/index.ts';
import { type Lab, openEngine } from '../../src/runtime/index.ts';
import { adam, cosine, fit, scoreModel } from '../../src/train/index.ts';

const { values: flags } = parseArgs({
  options: {
    bits: { type: 'string', default: '8,6,4,3,2' },
    samples: { type: 'string', default: '6000' },
    iterations: { type: 'string', default: '300' },
    epochs: { type: 'string', default: '2' },
    methods: { type: 'string', default: 'nearest,adaround,qat' },
    json: { type: 'boolean', default: false },
  },
});
const root = process.env['PARE_DATA'] ?? '../shared/data';
using engine = await openEngine();
const lab: Lab = { engine, seed: 0, threads: 1 };

const untrained = seedCnn({ input: [1, 28, 28], classes: 10, filters: [16, 32, 64], units: 128 });
const opened = await openData(`${root}/images/mnist`, { ports: portsOf(untrained.graph) });
const train = take(opened.train, Number(flags.samples));
const test = take(opened.test!, 2000);
const optimizer = (updates: number) => adam({ lr: cosine(2e-3, updates) });
const { model: float } = await fit(untrained, train, { epochs: 4, optimizer }, lab);

/** Op types that stay in floats, by what is quantised. */
const PARTS = { dense: ['Conv'], convolutions: ['Gemm'], both: [] } as const;
const METHODS: Readonly<Record<string, (bits: number, exclude: readonly string[]) => Promise<Model>>> = {
  nearest: async (weightBits, exclude) => (await quantize(float, { data: train, weightBits, exclude }, lab)).model,
  adaround: async (weightBits, exclude) =>
    (
      await quantize(
        float,
        { data: train, weightBits, exclude, round: 'adaround', iterations: Number(flags.iterations) },
        lab,
      )
    ).model,
  qat: async (weightBits, exclude) =>
    (await quantizeAware(float, { data: train, weightBits, exclude, epochs: Number(flags.epochs) }, lab)).model,
};

const rows: Record<string, unknown>[] = [];
const baseline = await scoreModel(float, test, lab);
const say = (text: string): void => void (flags.json || process.stdout.write(`${text}\n`));
say(`float: ${writeModel(float).length} bytes, accuracy ${(100 * baseline).toFixed(2)} %`);
for (const [part, exclude] of Object.entries(PARTS)) {
  for (const bits of flags.bits.split(',').map(Number)) {
    for (const [method, make] of Object.entries(METHODS)) {
      if (!flags.methods.split(',').includes(method)) continue;
      const model = await make(bits, exclude);
      const [before, after] = await measureModels(
        [
          { name: 'float', model: float },
          { name: method, model },
        ],
        lab,
        { batches: [1], rounds: 11 },
      );
      const row = {
        part,
        bits,
        method,
        bytes: writeModel(model).length,
        ms: after!.timings[0]!.p50Ms,
        floatMs: before!.timings[0]!.p50Ms,
        ratio: after!.timings[0]!.ratio,
        accuracy: await scoreModel(model, test, lab),
      };
      rows.push(row);
      say(
        `${part.padEnd(13)} ${bits} bits ${method.padEnd(9)} ${`${row.bytes}`.padStart(8)} B  ${row.ratio.toFixed(2)}x ms  ${(100 * row.accuracy).toFixed(2)} %`,
      );
    }
  }
}
if (flags.json) console.log(JSON.stringify({ baseline, rows }));
