/** `pare train`: a model learns, or goes on learning. */

import { PareError } from '../../src/base/error.ts';
import { showBytes } from '../../src/base/unit.ts';
import type { Dataset } from '../../src/data/index.ts';
import { rangePlot } from '../../src/report/html/range-plot.ts';
import type { Subject } from '../../src/report/subject.ts';
import type { RangeReport } from '../../src/train/index.ts';
import { path, percent, required } from '../arg.ts';
import type { Desk } from '../desk.ts';
import { finish, methodArgs, stopwatch } from '../finish.ts';
import { type Goal, goalArgs, goalOf } from '../goal.ts';
import { fitOptions, type LearningValues, learningArgs, rateWord } from '../learning.ts';
import { logsFor } from '../logs.ts';
import { type NetworkSource, network, subjectOf } from '../network.ts';
import { parallelArgs, sharingOf, workersOf } from '../parallel.ts';
import type { Sets } from '../sets.ts';
import { verb } from '../verb.ts';

export const train = verb({
  name: 'train',
  about: 'Train a network from nothing, or fine-tune a model.',
  example: 'pare train resnet20 --data cifar10 --augment flip,crop=4 --epochs 30 --out resnet20.onnx',
  takes: {
    model: required(
      network('An ONNX model to fine-tune, a reference model by name, or a configuration that describes a network.'),
    ),
  },
  args: {
    ...learningArgs,
    ...goalArgs,
    held: percent('Share of the training samples that validate, where the data has no validation set.', '10%'),
    plot: path('Where the picture of the range test goes (SVG), with --lr auto.'),
    ...parallelArgs,
    ...methodArgs,
  },
  isParallel: true,
  async run({ model: source, maxDrop, report: page, held, plot, ...values }, desk) {
    const [{ fit }, { split }] = await Promise.all([
      import('../../src/train/index.ts'),
      import('../../src/data/index.ts'),
    ]);
    const { before, sets } = await opened(source, desk);
    const parts = sets.validation
      ? sets
      : { ...sets, ...split(sets.train, { validation: held, seed: desk.values.seed }) };
    const lab = await desk.lab();
    const goal = await goalOf(before.model, parts.train, values, desk.values.seed);
    const range = rateWord(values.lr) === undefined ? await rangeTest(before, goal, values, desk) : undefined;
    if (plot !== undefined && range) await desk.writeText(plot, rangePlot({ ...range, chosen: rateIn(range) }));
    const seconds = stopwatch();
    const workers = await workersOf(values, desk);
    const inParts = desk.collective.size > 1 && Math.max(values.stages ?? 1, values.tensor ?? 1) > 1;
    const { model, report } = await fit(
      before.model,
      goal.train,
      {
        ...fitOptions(values, before.model, range && rateIn(range)),
        loss: goal.loss,
        ...(goal.metric && { metric: goal.metric, ...(parts.validation && { validation: parts.validation }) }),
        ...(inParts && goal.metric && { test: sets.evaluation }),
        logs: desk.collective.rank === 0 ? await logsFor(values.log) : [],
        workers,
      },
      lab,
    );
    const best = report.epochs[report.kept];
    const sharing = sharingOf(values, workers, desk);
    return finish(desk, {
      before,
      model,
      tag: 'trained',
      evaluation: goal.metric ? sets.evaluation : unlabelled(sets.evaluation),
      ...(report.test && { scored: report.test }),
      maxDrop,
      report: page,
      seconds: seconds(),
      curves: [{ step: 'trained', epochs: report.epochs }],
      result: {
        ...(sharing && { parallel: sharing }),
        epochs: report.epochs,
        kept: report.kept,
        ...(best?.metric && { validation: best.metric }),
        ...(report.choice !== undefined && { choice: report.choice }),
        ...(range && { range }),
        ...(values.checkpoint !== undefined && { checkpoint: values.checkpoint }),
      },
      shown: [
        {
          kind: 'facts',
          facts: [
            ['optimizer', report.choice],
            [
              'bytes per update',
              sharing?.bytesPerUpdate === undefined ? undefined : `${showBytes(sharing.bytesPerUpdate)} sent by a rank`,
            ],
            ['learning rate', range && `${rateIn(range).toPrecision(2)} by range test`],
          ],
        },
      ],
    });
  },
});

type Labelled = Sets & { readonly train: Dataset };

/** The model as it is before it learns, and the data under its input names. */
async function opened(source: NetworkSource, desk: Desk): Promise<{ before: Subject; sets: Labelled }> {
  const isFile = 'file' in source;
  const given = isFile ? await desk.read(source.file) : undefined;
  const sets = await desk.sets(given?.model);
  if (!sets?.train) {
    throw new PareError('usage/missing', 'pare train needs samples with labels.', {
      expected: '--data SPEC',
      hint: train.example,
    });
  }
  const before = isFile ? given! : await subjectOf(source, sets.train, desk.values.seed, sets.encoding);
  const [{ bind, portsOf, reconstruct }, { outputWidth }] = await Promise.all([
    import('../../src/data/index.ts'),
    import('../../src/train/index.ts'),
  ]);
  const ports = portsOf(before.model.graph);
  const isAlike = ports.length === 1 && outputWidth(before.model, bind(sets.train, ports)) === widthOf(sets.train);
  const rebuilds = !sets.train.labels && isAlike;
  if (rebuilds) desk.note(`"${sets.train.name}" has no labels: the model learns to rebuild its input`);
  const ready = (set: Dataset): Dataset => {
    const bound = isFile ? set : bind(set, ports);
    return rebuilds && !set.labels ? reconstruct(bound) : bound;
  };
  return {
    before,
    sets: {
      train: ready(sets.train),
      evaluation: ready(sets.evaluation),
      ...(sets.validation && { validation: ready(sets.validation) }),
    },
  };
}

/** The set without its labels: what a model's answers are compared on where no metric counts them. */
const unlabelled = ({ labels: _, ...set }: Dataset): Dataset => ({ ...set, task: 'unlabelled' });

/** Numbers per sample of the first input. */
const widthOf = ({ inputs }: Dataset): number => Object.values(inputs)[0]!.dims.reduce((n, dim) => n * dim, 1);

/** The rate that a range test recommends. */
const rateIn = ({ steepest, highest }: RangeReport): number => Math.min(steepest, highest);

async function rangeTest(before: Subject, goal: Goal, values: LearningValues, desk: Desk): Promise<RangeReport> {
  const { adam, learningRateRange } = await import('../../src/train/index.ts');
  const { optimizer, batch, accumulate } = fitOptions(values, before.model, 1);
  const report = await learningRateRange(
    before.model,
    goal.train,
    {
      loss: goal.loss,
      optimizer: typeof optimizer === 'function' ? optimizer(100) : adam(),
      ...(batch !== undefined && { batch }),
      ...(accumulate !== undefined && { accumulate }),
    },
    await desk.lab(),
  );
  desk.note(
    `learning rate ${rateIn(report).toPrecision(2)}, by a range test of ${report.points.length} updates: the loss falls most steeply at ${report.steepest.toPrecision(2)}, and ${report.highest.toPrecision(2)} is the most to dare`,
  );
  return report;
}
