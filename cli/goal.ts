/** What `pare train` learns, and from which pictures: loss, metric, class weights and augmentation as flags. */

import { PareError } from '../src/base/error.ts';
import type { Dataset, ImageTransform } from '../src/data/index.ts';
import type { Model } from '../src/graph/model.ts';
import type { Loss, Metric } from '../src/train/index.ts';
import { losses, metrics } from '../src/train/index.ts';
import { number, oneOf, text, type ValuesOf } from './arg.ts';
import { type Call, called, calledMany, type OptionValue } from './call.ts';

const LOSSES = {
  'cross-entropy': ['labelSmoothing'],
  bce: ['positiveWeight'],
  focal: ['gamma'],
  mse: [],
  mae: [],
  huber: ['delta'],
  kl: [],
  cosine: [],
  triplet: ['margin'],
  ctc: ['blank'],
  'info-nce': ['temperature'],
} as const satisfies Readonly<Record<keyof typeof losses | 'ctc' | 'info-nce', readonly string[]>>;

/** Changes to images; the first option may stand by itself: crop=4. */
const CHANGES = {
  flip: ['share'],
  crop: ['pixels'],
  rotate: ['degrees'],
  zoom: ['share'],
  colour: ['brightness', 'contrast', 'saturation'],
  erase: ['share'],
  randaugment: ['strength', 'count'],
} as const;

export const goalArgs = {
  loss: called(LOSSES, 'What is minimised, such as focal:gamma=3; default by the labels.'),
  metric: oneOf(metrics, 'What the validation samples are scored by; default by the labels.'),
  labelSmoothing: number('Share of the target spread over all classes.', { min: 0, max: 1 }),
  classWeights: text('Weight of each class in the loss: balanced, or numbers with commas.'),
  augment: calledMany(CHANGES, 'Changes to the training images, such as flip,crop=4,rotate=15; may be repeated.'),
  mixup: number('Mix each sample with another; alpha of the share, such as 0.2.', { min: 0 }),
  cutmix: number('Put a piece of another image into each; alpha of the share, such as 1.', { min: 0 }),
} as const;

export type GoalValues = ValuesOf<typeof goalArgs>;

export interface Goal {
  readonly train: Dataset;
  readonly loss: Loss;
  /** Undefined where only the loss tells how well it goes. */
  readonly metric?: Metric;
}

/**
 * The goal that flags and data ask for, and the training set as it is shown.
 *
 * Throws   usage/conflict for flags that exclude each other; usage/value; data/augment; what taskOf throws.
 */
export async function goalOf(model: Model, data: Dataset, values: GoalValues, seed: number): Promise<Goal> {
  const [{ taskOf, crossEntropy, inUnitsOf, klDivergence }, { mixup, cutmix, spreadOf }] = await Promise.all([
    import('../src/train/index.ts'),
    import('../src/data/index.ts'),
  ]);
  if (values.loss && values.loss.name in OWN) return ownGoal(model, data, values, seed);
  const task = taskOf(model, data);
  const changed = await changedImages(data, values.augment, seed);
  const { places } = task;
  const atPlaces = (own: Metric): Metric => places?.metric(own) ?? own;
  const metric = values.metric === undefined ? task.metric : atPlaces(metrics[values.metric]);
  const mixes = values.mixup ?? values.cutmix;
  const wantsClasses = mixes !== undefined || values.labelSmoothing !== undefined || values.classWeights !== undefined;
  if (wantsClasses && task.name !== 'classes') {
    throw conflict(
      '--mixup, --cutmix, --label-smoothing and --class-weights are for classes',
      `the labels are ${task.name}`,
    );
  }
  if (mixes !== undefined) {
    if (values.mixup !== undefined && values.cutmix !== undefined) throw conflict('--mixup or --cutmix', 'both');
    if (values.loss || values.labelSmoothing !== undefined || values.classWeights !== undefined) {
      throw conflict('the loss that mixed labels need (kl)', 'another loss, label smoothing or class weights');
    }
    const classes = data.classes?.length ?? (await countsOf(data)).length;
    const mix = values.mixup === undefined ? cutmix : mixup;
    return { train: mix(changed, { classes, alpha: mixes, seed }), loss: klDivergence(), metric };
  }
  const named = values.loss ? lossOf(values.loss) : undefined;
  const asked = named && places ? places.loss(named) : named;
  const isEntropy = (values.loss?.name ?? 'cross-entropy') === 'cross-entropy';
  if (values.labelSmoothing === undefined && values.classWeights === undefined) {
    const loss = asked ?? task.loss;
    return { train: changed, loss: task.name === 'numbers' ? inUnitsOf(spreadOf(data).std, loss) : loss, metric };
  }
  if (!isEntropy)
    throw conflict('cross-entropy with --label-smoothing and --class-weights', `--loss ${values.loss!.name}`);
  const classWeights = values.classWeights === undefined ? undefined : await weightsOf(values.classWeights, data);
  const smoothing = values.labelSmoothing ?? values.loss?.options['labelSmoothing'];
  return {
    train: changed,
    loss: crossEntropy({
      ...(smoothing !== undefined && { labelSmoothing: smoothing as number }),
      ...(classWeights && { classWeights }),
    }),
    metric,
  };
}

/** Losses that are made for the model and the data at hand, and answer no labels that a metric could count. */
const OWN: Readonly<Record<string, (model: Model, data: Dataset, options: object) => Promise<Loss>>> = {
  ctc: async (_, data, options) => {
    const { ctc } = await import('../src/train/index.ts');
    const [labels] = data.labels?.dims ?? [];
    if (labels !== undefined) return ctc({ labels, ...options });
    throw new PareError('data/shape', `--loss ctc needs a row of labels for each sample, filled up with -1.`, {
      where: data.name,
      expected: 'labels [samples, length]',
      got: data.labels ? 'one label a sample' : 'no labels',
    });
  },
  'info-nce': async ({ graph }, _, options) => {
    const { infoNce } = await import('../src/train/index.ts');
    const other = graph.outputs[1]?.name;
    if (other !== undefined) return infoNce({ other, ...options });
    throw new PareError(
      'data/shape',
      '--loss info-nce needs a model with two outputs, one for each view of a sample.',
      {
        expected: 'two outputs [samples, width]',
        got: `${graph.outputs.length}`,
      },
    );
  },
};

async function ownGoal(model: Model, data: Dataset, values: GoalValues, seed: number): Promise<Goal> {
  const { mixup, cutmix, labelSmoothing, classWeights } = values;
  const { name, options } = values.loss!;
  if ([mixup, cutmix, labelSmoothing, classWeights].some((value) => value !== undefined))
    throw conflict(`--loss ${name} by itself`, '--mixup, --cutmix, --label-smoothing or --class-weights');
  return {
    train: await changedImages(data, values.augment, seed),
    loss: await OWN[name]!(model, data, options),
    ...(values.metric !== undefined && { metric: metrics[values.metric] }),
  };
}

const lossOf = ({ name, options }: Call<string>): Loss =>
  (losses[name as keyof typeof losses] as (options: Readonly<Record<string, OptionValue>>) => Loss)(options);

async function changedImages(
  data: Dataset,
  changes: readonly Call<keyof typeof CHANGES>[],
  seed: number,
): Promise<Dataset> {
  if (changes.length === 0) return data;
  const { augment, colour, erase, flip, randAugment, rotate, shiftCrop, zoom } = await import('../src/data/index.ts');
  const made: Readonly<Record<keyof typeof CHANGES, (options: Readonly<Record<string, number>>) => ImageTransform>> = {
    flip: ({ share }) => flip(share),
    crop: ({ pixels = 4 }) => shiftCrop(pixels),
    rotate: ({ degrees = 15 }) => rotate(degrees),
    zoom: ({ share = 0.2 }) => zoom(share),
    colour: (options) => colour(options),
    erase: (options) => erase(options),
    randaugment: (options) => randAugment(options),
  };
  return augment(
    data,
    changes.map(({ name, options }) => made[name](options as Readonly<Record<string, number>>)),
    { seed },
  );
}

/** Samples of each class. */
async function countsOf(data: Dataset): Promise<number[]> {
  const { classesOf } = await import('../src/data/index.ts');
  const counts: number[] = [];
  for (const label of classesOf(data)) counts[label] = (counts[label] ?? 0) + 1;
  return Array.from({ length: Math.max(counts.length, data.classes?.length ?? 0) }, (_, k) => counts[k] ?? 0);
}

/** "balanced": N / (K · samples of the class); else as written. */
async function weightsOf(word: string, data: Dataset): Promise<number[]> {
  const counts = await countsOf(data);
  if (word === 'balanced') return counts.map((count) => data.size / (counts.length * Math.max(1, count)));
  const weights = word.split(',').map(Number);
  if (weights.length === counts.length && weights.every((weight) => weight >= 0)) return weights;
  throw new PareError('usage/value', `--class-weights takes balanced, or a number for each class, not "${word}".`, {
    where: '--class-weights',
    expected: `${counts.length} numbers from 0`,
    got: word,
  });
}

const conflict = (expected: string, got: string): PareError =>
  new PareError('usage/conflict', 'These flags do not go together.', { expected, got });
