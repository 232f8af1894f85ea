/** `pare demo`: the whole story on one data set, from nothing to a small, fast, verified model and a report. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '../../src/data/index.ts';
import type { Model } from '../../src/graph/model.ts';
import type { Curve, Step } from '../../src/report/summary.ts';
import { number, percent } from '../arg.ts';
import type { Desk } from '../desk.ts';
import { stopwatch } from '../finish.ts';
import { dataOptions } from '../sets.ts';
import { type Outcome, verb } from '../verb.ts';

/** Samples seen in training, all epochs together, when nobody says how many epochs. */
const SEEN = 100_000;

export const demo = verb({
  name: 'demo',
  about: 'The whole story: train the reference network, prune, distil, quantise, verify, write ONNX and a report.',
  example: 'pare demo --data mnist --out pare-out',
  args: {
    epochs: number('Passes over the data to train the original; default: enough for the size of the set.', {
      min: 1,
      whole: true,
    }),
    shrinkEpochs: number('Passes over the data after each cut.', { min: 1, whole: true }),
    maxDrop: percent('Share of accuracy that may be lost (1% is one point).', '1%'),
  },
  async run({ data: spec = 'glyphs', epochs, shrinkEpochs, maxDrop, out = 'pare-out' }, desk): Promise<Outcome> {
    const [{ seedCnn }, { adamw, cosine, fit }, { shrink }] = await Promise.all([
      import('../../src/nn/index.ts'),
      import('../../src/train/index.ts'),
      import('../../src/recipe/index.ts'),
    ]);
    const lab = await desk.lab();
    const { train, validation, test } = await open(spec, desk);
    const input = Object.values(train.inputs)[0]!.dims as readonly [number, number, number];
    const untrained = seedCnn({ input, classes: train.classes?.length ?? 10, seed: desk.values.seed });
    const seconds = stopwatch();
    const passes = epochs ?? Math.min(12, Math.max(7, Math.round(SEEN / train.size)));
    const { model: trained, report } = await fit(
      untrained,
      train,
      {
        epochs: passes,
        batch: 64,
        validation,
        optimizer: (steps: number) => adamw({ lr: cosine(3e-3, steps), decay: 0.1 }),
      },
      lab,
    );
    const trainingSeconds = seconds();
    const stages = await shrink(
      trained,
      { train, validation, maxDrop, epochs: shrinkEpochs ?? Math.max(3, Math.round(SEEN / train.size)) },
      lab,
    );
    await mkdir(out, { recursive: true });
    const written = await writeAll(out, [{ name: 'trained', model: trained }, ...stages], desk);
    const curves: Curve[] = [
      { step: 'trained', epochs: report.epochs },
      ...stages.flatMap(({ name, epochs: learnt }) => (learnt ? [{ step: name, epochs: learnt }] : [])),
    ];
    for (const { name, notes } of stages) for (const note of notes) desk.note(`${name}: ${note}`);
    const took = [trainingSeconds, ...stages.map((stage) => stage.seconds)];
    return await tell({ desk, out, written, took, curves, test, maxDrop });
  },
});

/** The three sets: what is learned from, what decides, what nobody has touched. */
async function open(spec: string, desk: Desk): Promise<{ train: Dataset; validation: Dataset; test: Dataset }> {
  const { openData, split, withTest } = await import('../../src/data/index.ts');
  const opened = await openData(spec, {
    ...(await dataOptions(desk.values)),
    ...(spec === 'glyphs' && { train: 16_000, test: 2_000 }),
  });
  opened.notes.forEach((note) => {
    desk.note(note);
  });
  const whole = withTest(opened, { seed: desk.values.seed });
  const { train, validation } = split(whole.train, { validation: 0.1, seed: desk.values.seed });
  return { train, validation: validation!, test: whole.test };
}

interface Named {
  readonly name: string;
  readonly model: Model;
}

/** Every stage as a file of its own, read back as it will be used. */
async function writeAll(out: string, stages: readonly Named[], desk: Desk) {
  const subjects = [];
  for (const { name, model } of stages) {
    const file = join(out, `${name}.onnx`);
    await desk.write(file, model);
    subjects.push({ ...(await desk.read(file)), name });
  }
  return subjects;
}

interface Story {
  readonly desk: Desk;
  readonly out: string;
  readonly written: Awaited<ReturnType<typeof writeAll>>;
  readonly took: readonly number[];
  readonly curves: readonly Curve[];
  readonly test: Dataset;
  readonly maxDrop: number;
}

/** Measures the files in turn, scores them on the untouched test data, and writes the report. */
async function tell({ desk, out, written, took, curves, test, maxDrop }: Story): Promise<Outcome> {
  const [{ compareLayers, evaluate, gainOf, htmlReport, measureModels, stepOf, summaryTable }, { hardware }] =
    await Promise.all([import('../../src/report/index.ts'), import('../../src/runtime/profile.ts')]);
  const lab = await desk.lab();
  const measured = await measureModels(written, lab, { rounds: 31 });
  const steps: Step[] = [];
  for (const [i, subject] of written.entries()) {
    const { metric } = await evaluate(subject, test, lab);
    steps.push(stepOf(measured[i]!, { metric, seconds: took[i]! }));
  }
  const [first, last] = [written[0]!, written.at(-1)!];
  const summary = {
    title: `The reference network on ${test.name}`,
    steps,
    curves,
    layers: compareLayers(first.model, last.model),
    notes: ['latencies are single-threaded, measured in turn', ...desk.notes],
    machine: hardware(lab.engine),
    versions: { pare: desk.version, node: process.versions.node, onnxruntime: lab.engine.version },
    seed: desk.values.seed,
    data: `${test.name}, ${test.size} samples that nothing was trained, calibrated or chosen on`,
    command: desk.command,
  };
  const report = join(out, 'report.html');
  await desk.writeText(report, htmlReport(summary));
  const drop = (gainOf(steps)?.dropPoints ?? 0) / 100;
  return {
    result: { steps, out: last.file, report, curves },
    shown: [
      { kind: 'painted', paint: (paint) => summaryTable(summary, paint, desk.notes) },
      {
        kind: 'facts',
        facts: [
          ['model', last.file],
          ['report', report],
        ],
      },
    ],
    ...(drop > maxDrop && {
      missed: [
        `--max-drop ${(maxDrop * 100).toFixed(1)} points: ${(drop * 100).toFixed(2)} were lost on the test data`,
      ],
    }),
  };
}
