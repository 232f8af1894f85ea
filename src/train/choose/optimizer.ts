/**
 * Which optimiser, at which learning rate: a race by successive halving.
 *
 *   round r      every candidate still in the race starts afresh and makes u · 2^r updates on the same batches
 *   measure      mean loss of the last quarter of them; the worse half leaves
 *
 * Source   Jamieson and Talwalkar 2016, arXiv:1502.07943.
 */

import { PareError } from '../../base/error.ts';
import { pick } from '../../base/suggest.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Model } from '../../graph/model.ts';
import { type Lab, stopIfAborted } from '../../runtime/index.ts';
import { adam } from '../optim/adam.ts';
import { adamw } from '../optim/adamw.ts';
import { lion } from '../optim/lion.ts';
import { rmsprop } from '../optim/rmsprop.ts';
import { sgd } from '../optim/sgd.ts';
import { type Optimizer, scheduled } from '../optim/transform.ts';
import { cosine } from '../schedule/cosine.ts';
import { openTrainer, type TrainerOptions } from '../trainer.ts';

export interface ChoiceOptions {
  /** What the race may take, in seconds. Default 30. */
  readonly seconds?: number;
  /** Updates of each candidate in the first round, in place of a number that fits `seconds`: the race is then the same on any machine. */
  readonly updates?: number;
  /** Who races, by name. Default: `candidates`. */
  readonly candidates?: Readonly<Record<string, () => Optimizer>>;
  /** What is made of the winner for the run. Default: its rate, at which it raced, falls to 0 along a cosine. */
  readonly prepare?: Preparation;
}

export interface Preparation {
  readonly make: (winner: Optimizer, updates: number) => Optimizer;
  /** One sentence for people. */
  readonly why: string;
}

const COSINE: Preparation = {
  make: (winner, updates) => scheduled(winner, (lr) => cosine(lr, updates)),
  why: 'It goes on with a rate that falls along a cosine.',
};

export interface Choice {
  /** Such as "adam 0.001". */
  readonly name: string;
  /** Told the updates of the run. */
  readonly optimizer: (updates: number) => Optimizer;
  /** For people: what won, against what, and how it goes on. */
  readonly why: string;
}

export interface ChoiceReport extends Choice {
  /** Every candidate's measure in every round it ran; infinite when it diverged. */
  readonly rounds: readonly { readonly updates: number; readonly losses: Readonly<Record<string, number>> }[];
  readonly seconds: number;
}

const at = <T extends string>(
  name: T,
  rates: readonly number[],
  make: (lr: number) => Optimizer,
): Record<string, () => Optimizer> => Object.fromEntries(rates.map((lr) => [`${name} ${lr}`, () => make(lr)]));

/** Who races by default. */
export const candidates: Readonly<Record<string, () => Optimizer>> = {
  ...at('sgd', [0.1, 0.03, 0.01], (lr) => sgd({ lr, momentum: 0.9, nesterov: true })),
  ...at('adam', [0.01, 0.003, 0.001, 0.0003], (lr) => adam({ lr })),
  ...at('adamw', [0.003, 0.001], (lr) => adamw({ lr })),
  ...at('rmsprop', [0.001], (lr) => rmsprop({ lr })),
  ...at('lion', [0.0003, 0.0001], (lr) => lion({ lr })),
};

/** Updates below which a measure says nothing, and above which a first round wastes time. */
const LEAST_UPDATES = 8;
const MOST_UPDATES = 400;

/**
 * Races optimisers on the data's own batches and says who won and why.
 *
 * Nothing is kept but the name: the training that follows begins with the model's own weights.
 * Throws   train/choice when every candidate diverges; work/aborted.
 */
export async function chooseOptimizer(
  model: Model,
  data: Dataset,
  options: ChoiceOptions & Omit<TrainerOptions, 'optimizer'>,
  lab: Lab,
): Promise<ChoiceReport> {
  const { seconds = 30, candidates: field = candidates, updates: given, prepare = COSINE, ...rest } = options;
  const started = performance.now();
  const spent = (): number => (performance.now() - started) / 1000;
  const race = async (name: string, updates: number): Promise<{ loss: number; msPerUpdate: number }> => {
    using trainer = await openTrainer(model, data, { ...rest, optimizer: () => field[name]!() }, lab);
    const begun = performance.now();
    const losses: number[] = [];
    try {
      for (let epoch = 0; losses.length < updates; epoch++) {
        const to = Math.min(trainer.updatesPerEpoch, updates - losses.length);
        for await (const loss of trainer.updates(epoch, { to })) {
          losses.push(loss);
          stopIfAborted(lab.signal);
        }
      }
    } catch (thrown) {
      if (!(thrown instanceof PareError && thrown.code === 'train/diverged')) throw thrown;
      return { loss: Number.POSITIVE_INFINITY, msPerUpdate: 0 };
    }
    const tail = losses.slice(-Math.max(1, Math.floor(losses.length / 4)));
    const loss = tail.reduce((sum, each) => sum + each, 0) / tail.length;
    return {
      loss: Number.isFinite(loss) ? loss : Number.POSITIVE_INFINITY,
      msPerUpdate: (performance.now() - begun) / updates,
    };
  };

  let names = Object.keys(field);
  const planned = Math.max(1, Math.ceil(Math.log2(names.length)));
  let updates = given ?? LEAST_UPDATES;
  if (given === undefined) {
    const { msPerUpdate } = await race(names[0]!, 4);
    const affordable = (seconds * 1000) / (planned * names.length * Math.max(msPerUpdate, 0.05));
    updates = Math.round(Math.min(MOST_UPDATES, Math.max(LEAST_UPDATES, affordable)));
  }
  const rounds: { updates: number; losses: Record<string, number> }[] = [];
  let total = 0;
  for (let round = 0; round < planned && names.length > 1; round++, updates *= 2) {
    const losses: Record<string, number> = {};
    const isLate = (): boolean => given === undefined && round > 0 && spent() > seconds;
    for (const name of names) {
      if (isLate()) break;
      losses[name] = (await race(name, updates)).loss;
      await new Promise((resolve) => setImmediate(resolve)); // lets a signal through
      total += updates;
      lab.onProgress?.({
        task: 'choose optimizer',
        done: total,
        total: planned * Object.keys(field).length * (rounds[0]?.updates ?? updates),
      });
    }
    if (isLate() && Object.keys(losses).length < names.length) break;
    rounds.push({ updates, losses });
    names = names.toSorted((a, b) => losses[a]! - losses[b]!).slice(0, Math.ceil(names.length / 2));
  }
  const last = rounds.at(-1)?.losses ?? {};
  const [winner, second] = Object.keys(last).toSorted((a, b) => last[a]! - last[b]!);
  const name = winner ?? names[0]!;
  if (last[name] === Number.POSITIVE_INFINITY) {
    throw new PareError('train/choice', 'Every optimiser in the race diverged.', {
      expected: Object.keys(field).join(', '),
      hint: 'scale the inputs to about ±1, or race smaller learning rates',
    });
  }
  const figure = (loss: number | undefined): string => (loss === undefined ? '' : loss.toPrecision(3));
  const why = `${name} was chosen of ${Object.keys(field).length} candidates: loss ${figure(last[name])} after ${rounds.at(-1)?.updates ?? 0} updates${
    second ? `, ${second} ${figure(last[second])}` : ''
  } (${rounds.length} rounds, ${total} updates, ${spent().toFixed(1)} s). ${prepare.why}`;
  return { ...chosenBefore({ name, why }, options), rounds, seconds: spent() };
}

/** What a race decided before, without the race. Throws option/unknown when nobody of that name is among the candidates. */
export const chosenBefore = (
  { name, why }: { name: string; why: string },
  { candidates: field = candidates, prepare = COSINE }: ChoiceOptions = {},
): Choice => {
  const make = pick(field, name, 'candidate');
  return { name, why, optimizer: (updates) => prepare.make(make(), updates) };
};
