/**
 * Choices of static int8, and the peers, over several draws of calibration images: what one table of one draw says by chance.
 *
 * Run      npm run build && PARE_PYTHON=venv/bin/python node dist/bench/quantize/draws.js [--draws 4] [--samples 100]
 *          [--only minmax,mse,onnxruntime,nncf] [--json] [part of a model's name …]
 * Judges   all test images; for CIFAR-10 also the lossless images that networks were trained on. Sets without a test part are halved: the one
 *          half calibrates and the other judges, then the other way round
 * Prints   means over the draws: accuracy before and after, the share of answers that stay, KL divergence and signal to noise (dB) of the answers; and by
 *          how much the first choice keeps more answers and is more often right, in points ± standard error, an image a pair: `*` where that is beyond chance
 */

import { parseArgs } from 'node:util';
import { random } from '../../src/base/random.ts';
import { type Dataset, subset } from '../../src/data/index.ts';
import type { Model } from '../../src/graph/model.ts';
import { readModelFile } from '../../src/onnx/index.ts';
import { against, record } from '../../src/quantize/agreement.ts';
import { type QuantizeOptions, quantize } from '../../src/quantize/index.ts';
import { openEngine } from '../../src/runtime/index.ts';
import { load, MODELS, ofOne, type Preparation } from './models.ts';
import { isBeyondChance, type Paired, paired } from './paired.ts';
import { openRivals, RIVALS } from './rivals.ts';
import { type Judge, Scores } from './scores.ts';

const CHOICES: Readonly<Record<string, Omit<QuantizeOptions, 'data'>>> = {
  minmax: {},
  'moving-average': { calibrate: 'moving-average' },
  percentile: { calibrate: 'percentile' },
  entropy: { calibrate: 'entropy' },
  mse: { calibrate: 'mse' },
  'no bias correction': { biasCorrect: 'none' },
  'full bias correction': { biasCorrect: 'full' },
  'seq-mse': { round: 'seq-mse' },
  'faster layers': { kernels: 'measured' },
};

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    draws: { type: 'string', default: '4' },
    samples: { type: 'string', default: '100' },
    only: { type: 'string', default: [...Object.keys(CHOICES), ...RIVALS].join() },
    json: { type: 'boolean', default: false },
  },
});
const root = process.env['PARE_DATA'] ?? '../shared/data';
const asked = flags.only.split(',');
using engine = await openEngine();
using opened = await openRivals(RIVALS.filter((name) => asked.includes(name)));
const rivals = new Map(opened.rivals.map((rival) => [rival.name, rival]));

const mean = (x: readonly number[]): number | undefined =>
  x.length === 0 ? undefined : x.reduce((a, b) => a + b, 0) / x.length;

const judgeOf = async (name: string, model: Model, data: Dataset, samples: Int32Array): Promise<Judge> => ({
  name,
  data,
  samples,
  floats: await record(ofOne(model), data, samples, { engine }),
});
const everyImage = ({ size }: Dataset): Int32Array => Int32Array.from({ length: size }, (_, i) => i);

/** Data to judge by that no draw calibrates on; none for sets that are halved. */
function setsOf(name: string, preparation: Preparation): Record<string, Dataset> {
  if (!preparation.test) return {};
  const lossless = [
    'cifar10/cifar10-lossless4k-images-idx4-ubyte.gz',
    'cifar10/cifar10-lossless4k-labels-idx1-ubyte.gz',
  ] as const;
  return {
    test: load(root, ...preparation.test, preparation, 10_000),
    ...(name.includes('cifar') && { lossless: load(root, ...lossless, preparation, 4000) }),
  };
}

interface Row {
  readonly name: string;
  readonly judge: string;
  readonly by: string;
  readonly images: number;
  readonly before: number | undefined;
  readonly after: number | undefined;
  readonly sameTop: number | undefined;
  readonly divergence: number | undefined;
  readonly decibels: number | undefined;
  readonly lessMoved: Paired | undefined;
  readonly moreSame: Paired | undefined;
  readonly moreRight: Paired | undefined;
}

const rows: Row[] = [];
for (const [name, preparation] of Object.entries(MODELS)) {
  if (positionals.length > 0 && !positionals.some((part) => name.includes(part))) continue;
  const file = `${root}/models/${name}.onnx`;
  const model = await readModelFile(file);
  const all = load(root, preparation.images, preparation.labels, preparation, 10_000);
  const kept: Judge[] = [];
  for (const [set, data] of Object.entries(setsOf(name, preparation)))
    kept.push(await judgeOf(set, model, data, everyImage(data)));
  const scores = new Map<string, Map<string, Scores>>();
  for (let draw = 0; draw < Number(flags.draws); draw++) {
    const isHalved = kept.length === 0;
    const order = random(isHalved ? draw >> 1 : draw, 'draw').shuffle(everyImage(all));
    const half = all.size >> 1;
    const halves =
      draw % 2 === 0 ? [order.slice(0, half), order.slice(half)] : [order.slice(half), order.slice(0, half)];
    const chosen = isHalved ? halves[0]! : order.slice(0, Number(flags.samples));
    const judges = isHalved ? [await judgeOf('other half', model, all, halves[1]!)] : kept;
    const data = subset(all, chosen);
    for (const by of asked) {
      const options = CHOICES[by];
      const small = options
        ? (await quantize(model, { ...options, data, samples: chosen.length }, { engine })).model
        : (await rivals.get(by)?.quantize(file, model, data))?.model;
      if (!small) continue;
      for (const judge of judges) {
        const of = scores.get(judge.name) ?? new Map<string, Scores>();
        scores.set(judge.name, of.set(by, of.get(by) ?? new Scores()));
        const compared = await against(judge.floats, small, { engine }).catch((error: Error) => error);
        if (compared instanceof Error) {
          console.error(`${by} on ${name}: ${compared.message}`);
          of.delete(by);
        } else of.get(by)!.add(compared, judge);
      }
    }
  }
  for (const [judge, of] of scores) {
    const first = of.get(asked[0]!);
    for (const [by, score] of of) {
      const ahead = (of: (scores: Scores) => number[]): Paired | undefined =>
        first && score !== first && of(first).length > 1 ? paired(of(first), of(score)) : undefined;
      const same = (each: Scores): number[] => each.byImage(each.same);
      const right = (each: Scores): number[] => each.byImage(each.right);
      const moved = (each: Scores): number[] => each.byImage(each.moved);
      const row: Row = {
        name,
        judge,
        by,
        images: score.times.size,
        before: mean(score.byImage(score.rightBefore)),
        after: mean(right(score)),
        sameTop: mean(same(score)),
        divergence: mean(moved(score)),
        decibels: mean(score.draws.map(({ noise }) => -10 * Math.log10(noise))),
        lessMoved: ahead(moved),
        moreSame: ahead(same),
        moreRight: ahead(right),
      };
      rows.push(row);
      if (!flags.json) show(row);
    }
  }
}
if (flags.json) console.log(JSON.stringify({ rows, skipped: opened.skipped }));
else if (opened.skipped.length > 0) console.log(`skipped, not installed: ${opened.skipped.join(', ')}`);

function show({ name, judge, by, images, ...row }: Row): void {
  const share = (x: number | undefined): string => (x === undefined ? '-' : (100 * x).toFixed(2));
  const ahead = (pair: Paired | undefined): string =>
    pair
      ? `${pair.difference < 0 ? '' : '+'}${share(pair.difference)} ± ${share(pair.error)}${isBeyondChance(pair) ? '*' : ' '}`
      : '';
  console.log(
    [
      name.padEnd(26),
      `${judge} (${images})`.padEnd(16),
      by.padEnd(20),
      `${share(row.before)} → ${share(row.after)}`,
      `same ${share(row.sameTop)}`,
      `KL ${row.divergence?.toExponential(2) ?? '-'}${row.lessMoved && isBeyondChance(row.lessMoved) ? '*' : ''}`.padEnd(
        12,
      ),
      `${row.decibels!.toFixed(2)} dB`,
      ahead(row.moreSame).padStart(14),
      ahead(row.moreRight).padStart(14),
    ].join('  '),
  );
}
