/** What the verbs that learn have in common: their flags, and how they become options of `fit`. */

import { PareError } from '../src/base/error.ts';
import { nearest } from '../src/base/suggest.ts';
import type { Model } from '../src/graph/model.ts';
import type { FitOptions } from '../src/train/index.ts';
import {
  chain,
  clipAdaptively,
  clipByValue,
  ema,
  lookahead,
  type Optimizer,
  type OptimizerName,
  optimizers,
  sam,
  scheduled,
  swa,
} from '../src/train/optim/index.ts';
import { optimizerOptions } from '../src/train/optim/options.ts';
import { plateau, type Rate } from '../src/train/schedule/index.ts';
import { type GroupOptions, layerWise, matcher } from '../src/train/select.ts';
import { flag, many, number, oneOf, path, text, type ValuesOf } from './arg.ts';
import { type Call, called, calledMany, type OptionValue } from './call.ts';
import { RATES, rateOf } from './rate.ts';

/** Wrappers around an optimiser, by name: their options, and how they are put around it. */
const AROUND = {
  ema: ['keep'],
  swa: ['from', 'every'],
  lookahead: ['k', 'towards'],
  sam: ['rho', 'adaptive'],
} as const;

/** Optimisers by name with their options, and the race among them. */
export const OPTIMIZERS = { ...optimizerOptions, auto: ['seconds', 'updates'] } as const;

/** What --resident says to `fit`. */
const RESIDENT = { auto: {}, yes: { resident: true }, no: { resident: false } } as const;

export const learningArgs = {
  epochs: number('Passes over the data.', { min: 1, whole: true }, 5),
  batch: number('Samples per step.', { min: 1, whole: true }),
  accumulate: number('Batches whose mean gradient makes one update.', { min: 1, whole: true }),
  optimizer: called(
    OPTIMIZERS,
    'How weights follow their slopes, with options such as adam:b1=0.8,eps=1e-7; auto races several (auto:seconds=30).',
    'adam',
  ),
  lr: text('Learning rate, at its peak; auto finds one by a range test.', '1e-3'),
  momentum: number('Share of the velocity that stays, where the optimizer has one.', { min: 0, max: 1 }),
  weightDecay: number('Pull of the weights towards 0; biases and normalisation are spared.', { min: 0 }),
  schedule: called(RATES, 'How the learning rate goes over the epochs, such as step:every=10,factor=0.5.', 'cosine'),
  warmUp: number('Epochs in which the learning rate grows to its peak.', { min: 0 }, 0),
  clipNorm: number('Longest gradient, all weights together.', { min: 0 }),
  clipValue: number('Largest slope of a single weight.', { min: 0 }),
  clipAdaptive: number('Longest gradient of each weight, as a share of the weight itself.', { min: 0 }),
  around: calledMany(AROUND, 'Wrappers of the optimizer: averages of the weights, look-ahead, sharpness-aware steps.'),
  freeze: many(text('Weights that stay as they are, such as "conv1.*"; may be repeated.')),
  layerDecay: number('Factor on the learning rate from each layer to the one before it.', { min: 0, max: 1 }),
  recompute: flag('Save memory: activations are worked out again for the slopes.'),
  resident: oneOf(
    RESIDENT,
    'Whether weights, slopes and optimiser state stay on the device; auto: where --device is not cpu.',
    'auto',
  ),
  patience: number('Stop after this many epochs without a better validation score.', { min: 1, whole: true }),
  checkpoint: path('Folder in which the run is kept, so that it can go on after anything.'),
  every: text('Between two checkpoints: 500 (updates) or 60s. Default: an epoch.'),
  resume: flag('Go on from the checkpoint.'),
  log: many(path('Where figures are written as they come: FILE.jsonl, or a folder for TensorBoard; may be repeated.')),
} as const;

export type LearningValues = ValuesOf<typeof learningArgs>;

const OPTIMIZER = '--optimizer';

/** The flags as options of `fit`; `lr` is what a range test found for --lr. Default: the number that --lr says. */
export function fitOptions(values: LearningValues, model?: Model, lr = statedRate(values.lr)): FitOptions {
  const { epochs, batch, accumulate, optimizer, schedule, warmUp, clipNorm, patience, resume, freeze, layerDecay } =
    values;
  const groups = groupsFor(model, layerDecay);
  checkKept(values);
  if (model) checkFrozen(freeze, [...model.graph.initializers.keys()]);
  return {
    epochs,
    ...(optimizer.name === 'auto'
      ? { optimizer: 'auto', race: raceFor(values) }
      : { optimizer: (steps: number) => optimizerFor(values, rateOf(schedule, { lr, epochs, steps }, warmUp)) }),
    ...(schedule.name === 'plateau' && { plateau: plateau(lr, schedule.options) }),
    ...(batch !== undefined && { batch }),
    ...(accumulate !== undefined && { accumulate }),
    ...(clipNorm !== undefined && { clipNorm }),
    ...(patience !== undefined && { patience }),
    ...(freeze.length > 0 && { freeze }),
    ...(groups.length > 0 && { groups }),
    ...(values.checkpoint !== undefined && { checkpoint: { folder: values.checkpoint, ...interval(values.every) } }),
    ...(resume && { resume }),
    ...(values.recompute && { recompute: true }),
    ...RESIDENT[values.resident],
  };
}

/** The number in --lr; undefined for "auto". Throws usage/value. */
export function rateWord(word: string): number | undefined {
  if (word === 'auto') return undefined;
  const value = word.trim() === '' ? Number.NaN : Number(word);
  if (value >= 0 && Number.isFinite(value)) return value;
  throw new PareError('usage/value', `--lr takes a number from 0, or auto, not "${word}".`, {
    where: '--lr',
    got: word,
  });
}

/** The number in --lr. Throws usage/value for "auto": a range test is a verb's own piece of work. */
function statedRate(word: string): number {
  const rate = rateWord(word);
  if (rate !== undefined) return rate;
  throw new PareError('usage/value', 'Only `pare train` looks for a learning rate by itself.', {
    where: '--lr',
    got: word,
    hint: 'leave --lr out, or give a number',
  });
}

/** Layers with rates of their own; biases and scales (one number per channel) are spared weight decay. */
function groupsFor(model: Model | undefined, layerDecay: number | undefined): GroupOptions[] {
  if (!model) return [];
  const isSpared = (name: string): boolean => (model.graph.initializers.get(name)?.dims.length ?? 2) < 2;
  const layers: GroupOptions[] = layerDecay === undefined ? [] : layerWise(model.graph.initializers.keys(), layerDecay);
  const spared = layers.map((group) => {
    const isOf = matcher(group.match);
    return { ...group, match: (name: string) => isSpared(name) && isOf(name), decay: 0 };
  });
  return [...spared, { match: isSpared, decay: 0, trust: false }, ...layers];
}

/** Throws usage/value for a pattern that no weight fits. */
function checkFrozen(freeze: readonly string[], names: readonly string[]): void {
  const idle = freeze.find((pattern) => !names.some(matcher(pattern)));
  if (idle === undefined) return;
  const near = nearest(idle, names);
  throw new PareError('usage/value', `--freeze "${idle}" fits no weight.`, {
    where: '--freeze',
    expected: `such as ${names.slice(0, 3).join(', ')}`,
    got: idle,
    ...(near && { hint: `did you mean "${near}"?` }),
  });
}

/** Throws usage/missing for what only a kept run can do. */
function checkKept({ checkpoint, resume, every }: LearningValues): void {
  if (checkpoint !== undefined || (!resume && every === undefined)) return;
  const flag = resume ? '--resume' : '--every';
  throw new PareError('usage/missing', `${flag} needs to know where the run is kept.`, {
    where: flag,
    expected: '--checkpoint FOLDER',
  });
}

function interval(word: string | undefined): { everySteps?: number; everySeconds?: number } {
  if (word === undefined) return {};
  const [, count, unit] = /^(\d+(?:\.\d+)?)(s?)$/.exec(word) ?? [];
  if (count !== undefined && Number(count) > 0)
    return unit ? { everySeconds: Number(count) } : { everySteps: Math.ceil(Number(count)) };
  throw new PareError('usage/value', `--every takes a number of updates, or seconds like 60s, not "${word}".`, {
    where: '--every',
    got: word,
  });
}

/** The race among optimisers, and what the flags make of its winner. Throws usage/conflict for what the candidates settle themselves. */
function raceFor(values: LearningValues): NonNullable<FitOptions['race']> {
  const { optimizer, schedule, warmUp, epochs, momentum, weightDecay } = values;
  if (momentum !== undefined || weightDecay !== undefined) {
    throw new PareError('usage/conflict', 'The race chooses momentum and weight decay too.', {
      where: momentum === undefined ? '--weight-decay' : '--momentum',
      hint: 'leave it out, or name an optimizer',
    });
  }
  if (schedule.name === 'plateau') {
    throw new PareError('usage/conflict', 'A plateau begins at --lr, and the race chooses its own rate.', {
      where: '--schedule plateau',
      hint: 'another schedule, or name an optimizer',
    });
  }
  return {
    ...optimizer.options,
    prepare: {
      make: (winner, steps) =>
        wrapped(
          values,
          scheduled(winner, (lr) => rateOf(schedule, { lr, epochs, steps }, warmUp)),
        ),
      why: `It goes on with ${schedule.name === 'constant' ? 'that rate' : `that rate as the peak of its schedule (${schedule.name})`}.`,
    },
  };
}

function optimizerFor(values: LearningValues, lr: Rate): Optimizer {
  const { optimizer, momentum, weightDecay } = values;
  const name = optimizer.name as OptimizerName;
  const known: readonly string[] = optimizerOptions[name];
  const options: Record<string, OptionValue> = { ...optimizer.options };
  const set = (option: string, value: number | undefined, what: string): void => {
    if (value === undefined) return;
    if (!known.includes(option)) {
      throw new PareError('usage/conflict', `${name} has no ${what}.`, {
        where: OPTIMIZER,
        expected: known.join(', '),
      });
    }
    options[option] = value;
  };
  set('momentum', momentum, 'momentum');
  set('decay', weightDecay, 'weight decay');
  const make = optimizers[name] as (options: object) => Optimizer;
  return wrapped(values, make({ lr, ...options }));
}

/** The optimiser in what --around, --clip-value and --clip-adaptive put about it. */
function wrapped({ around, clipValue, clipAdaptive }: LearningValues, inner: Optimizer): Optimizer {
  const made = around.reduce((made, call) => wrap(made, call), inner);
  return chain(
    ...(clipValue === undefined ? [] : [clipByValue(clipValue)]),
    ...(clipAdaptive === undefined ? [] : [clipAdaptively(clipAdaptive)]),
    made,
  );
}

function wrap(inner: Optimizer, { name, options }: Call<keyof typeof AROUND>): Optimizer {
  const put: Readonly<Record<keyof typeof AROUND, () => Optimizer>> = {
    ema: () => ema(inner, options),
    swa: () => swa(inner, { from: 1, ...options }),
    lookahead: () => lookahead(inner, options),
    sam: () => sam(inner, options),
  };
  return put[name]();
}
