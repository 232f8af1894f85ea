/** A training run's state: where it is, the best weights so far, and how both are put away and taken up again. */

import { PareError } from '../base/error.ts';
import { copyBytes, type Tensor } from '../graph/tensor.ts';
import type { Lab } from '../runtime/index.ts';
import {
  type Checkpoint,
  type CheckpointOptions,
  type EpochReport,
  type Position,
  saveCheckpoint,
} from './checkpoint.ts';
import { checkIdentity, type RunIdentity } from './identity.ts';
import type { TrainLog } from './log/log.ts';
import { sumSegments } from './optim/segment.ts';
import { openShelf, rested, type Shelf } from './rested.ts';
import { arraysOf, bestArrays, fillArrays, withoutBest } from './run-arrays.ts';
import type { Plateau } from './schedule/plateau.ts';
import type { StoredArray, StreamedArray } from './tensor-file.ts';
import type { Trainer } from './trainer.ts';
import type { Workers } from './workers.ts';

export interface RunOptions {
  readonly epochs: number;
  /** Epochs without a better measure before the run is over. */
  readonly patience: number;
  readonly plateau?: Plateau | undefined;
  readonly checkpoint?: CheckpointOptions | undefined;
  /** Where there is a checkpoint: whose it is. */
  readonly identity?: RunIdentity | undefined;
  readonly logs: readonly TrainLog[];
  /** What a race chose. */
  readonly choice?: Position['choice'];
  readonly workers: Workers;
}

/** What the validation set said. */
export interface Measured {
  readonly name: string;
  readonly value: number;
  readonly better?: 'more' | 'less' | undefined;
}

export interface Run {
  /** Updates made since the beginning. */
  updates(): number;
  isOver(): boolean;
  restore(saved: Checkpoint): Promise<void>;
  /** Makes the rest of the epoch's updates. */
  epoch(): Promise<void>;
  /** Ends the epoch: its report, and the best weights if those in place are. */
  close(measured: Measured | undefined): Promise<EpochReport>;
  /** After an epoch: the learning rate answers, and the run is put away if that is due. */
  settle(): Promise<void>;
  /** Puts the run away and gives the error to throw. */
  stop(cause: unknown): Promise<PareError>;
  /** Puts the best weights where the trainer's are. */
  keep(): void;
  /** Where processes hold parts, the best weights are whole at the first. */
  result(): Promise<{ position: Position; best: ReadonlyMap<string, Tensor> }>;
}

/** How long JavaScript may be kept from its other work. */
const BREATH_MS = 40;
/** A loss this many times the first one (or 1) will not come back. */
const HOPELESS = 1e6;

const FRESH: Position = {
  epoch: 0,
  step: 0,
  lossSum: 0,
  epochs: [],
  isOver: false,
  seconds: 0,
  optimizer: { t: 0, scalars: {} },
};

/** Begins a run at its first update; `restore` moves it on. */
export function startRun(trainer: Trainer, options: RunOptions, lab: Lab): Run {
  const { checkpoint, identity, logs, epochs, patience, plateau, workers } = options;
  const { arena, running, updatesPerEpoch, agreement } = trainer;
  const spots = sumSegments(arena, (e) => e.slot('w'));
  let at: Position = { ...FRESH, ...(options.choice && { choice: options.choice }) };
  let best = new Map<string, Tensor>();
  let lastSave = performance.now();
  let clock = performance.now();
  let lr = plateau?.start.lr;
  let samplesPerSecond = 0;

  let shelf: Shelf | undefined;
  const shelve = async (weights: ReadonlyMap<string, Tensor>): Promise<Map<string, Tensor>> => {
    shelf ??= await openShelf(weights);
    return shelf.put(weights);
  };

  const updates = (): number => at.epoch * updatesPerEpoch + at.step;
  const isDue = (moment: 'step' | 'epoch'): boolean => {
    if (!checkpoint) return false;
    const { everySteps, everySeconds } = checkpoint;
    if (everySteps === undefined && everySeconds === undefined) return moment === 'epoch';
    if (everySteps !== undefined && updates() % everySteps === 0) return true;
    return everySeconds !== undefined && performance.now() - lastSave >= everySeconds * 1000;
  };
  /** Clocks differ: where time decides, the first process's does. */
  const isAgreed = (moment: 'step' | 'epoch'): boolean | Promise<boolean> =>
    agreement && checkpoint?.everySeconds !== undefined ? workers.tell(() => isDue(moment)) : isDue(moment);
  /** Whether to stop; processes that work together agree on it after each update. */
  const isStopped = (): boolean => agreement === undefined && lab.signal?.aborted === true;
  const tick = (): number => {
    const now = performance.now();
    const seconds = at.seconds + (now - clock) / 1000;
    clock = now;
    return seconds;
  };
  const save = async (): Promise<void> => {
    if (!checkpoint) return;
    await trainer.rest?.();
    // The update may have left what is no number: the last good checkpoint stays.
    const bad = Object.entries(spots()).find(([, sum]) => !Number.isFinite(sum));
    if (bad) throw brokenBy(at, bad[0]);
    const { t, scalars } = running.state();
    at = { ...at, seconds: tick(), optimizer: { t, scalars } };
    const own = arraysOf(trainer, best);
    const put = (arrays: ReadonlyMap<string, StoredArray | StreamedArray>): Promise<void> =>
      saveCheckpoint(checkpoint.folder, { identity: identity!, position: at, arrays });
    await (agreement ? agreement.whole(own, put) : put(own));
    lastSave = performance.now();
  };
  const stop = async (cause: unknown): Promise<PareError> => {
    await save();
    return new PareError('work/aborted', `Training was stopped after epoch ${at.epoch + 1}, step ${at.step}.`, {
      ...(checkpoint && { where: checkpoint.folder, hint: 'the same call with resume: true goes on from here' }),
      cause,
    });
  };

  const isOver = (): boolean => at.isOver || at.epoch >= epochs;

  return {
    updates,
    stop,
    isOver,
    keep() {
      const weights = trainer.weights();
      for (const [name, t] of best) {
        const place = weights.get(name);
        if (place) copyBytes(t, place.bytes);
      }
    },
    async result() {
      if (!agreement) return { position: at, best };
      const found = await agreement.whole(bestArrays(best), (arrays) => rested(arrays));
      const whole = found
        ? [...found].map(([key, t]) => [withoutBest(key), t] as const)
        : [...best].filter(([name]) => !agreement.isPart(name));
      return { position: at, best: new Map(whole) };
    },
    async restore(saved) {
      checkIdentity(checkpoint!.folder, saved.identity, identity!);
      const filled = saved.position.best ? copied(trainer.weights()) : best;
      const own = arraysOf(trainer, filled);
      if (agreement) await agreement.parts(own, saved.arrays);
      else fillArrays(own, saved.arrays, checkpoint!.folder);
      if (saved.position.best) best = await shelve(filled);
      const { tensors } = running.state();
      running.restore({ ...saved.position.optimizer, scalars: { ...saved.position.optimizer.scalars }, tensors });
      at = saved.position;
      lr = at.plateau?.lr ?? lr;
      clock = performance.now();
    },
    async epoch() {
      const { epoch, step: from } = at;
      const started = performance.now();
      let breath = started;
      if (isStopped()) throw await stop(lab.signal?.reason);
      for await (const loss of trainer.updates(epoch, { from, lr: () => lr })) {
        at = {
          ...at,
          step: at.step + 1,
          lossSum: at.lossSum + loss,
          ...(at.firstLoss === undefined && { firstLoss: loss }),
        };
        if (Math.abs(loss) > HOPELESS * Math.max(1, Math.abs(at.firstLoss!))) throw hopeless(at, loss);
        for (const log of logs) log.step?.(updates(), loss);
        if (agreement?.isStopped()) throw await stop(lab.signal?.reason);
        if (at.step < updatesPerEpoch && (await isAgreed('step'))) await save();
        const now = performance.now();
        if (now - breath <= BREATH_MS) continue;
        breath = now;
        const done = updates();
        const total = epochs * updatesPerEpoch;
        const perSecond = ((at.step - from) * 1000) / (now - started);
        lab.onProgress?.({
          task: 'train',
          done,
          total,
          figures: {
            loss: at.lossSum / at.step,
            samplesPerSecond: perSecond * trainer.batch * trainer.accumulate,
            secondsLeft: (total - done) / perSecond,
          },
        });
        await new Promise((resolve) => setImmediate(resolve));
        if (isStopped()) throw await stop(lab.signal?.reason);
      }
      const samples = (updatesPerEpoch - from) * trainer.batch * trainer.accumulate;
      samplesPerSecond = samples > 0 ? (samples * 1000) / (performance.now() - started) : 0;
    },
    async close(measured) {
      const report: EpochReport = {
        epoch: at.epoch,
        loss: at.lossSum / updatesPerEpoch,
        ...(measured && { metric: { name: measured.name, value: measured.value } }),
        samplesPerSecond,
      };
      const isBest = measured === undefined || at.best === undefined || isGain(measured, at.best.value);
      if (isBest) best = await shelve(trainer.weights());
      const champion = isBest ? { value: measured?.value ?? 0, epoch: at.epoch } : at.best!;
      at = {
        ...at,
        epoch: at.epoch + 1,
        step: 0,
        lossSum: 0,
        epochs: [...at.epochs, report],
        best: champion,
        isOver: at.epoch - champion.epoch >= patience,
        seconds: tick(),
      };
      return report;
    },
    async settle() {
      const last = at.epochs.at(-1)!;
      if (plateau) {
        const state = plateau.see(at.plateau ?? plateau.start, last.metric?.value ?? last.loss);
        at = { ...at, plateau: state };
        lr = state.lr;
      }
      if (isOver() || (await isAgreed('epoch'))) await save();
    },
  };
}

/** Is a measure better than the best so far? Anything is better than what is no number. */
const isGain = ({ value, better }: Measured, best: number): boolean =>
  Number.isNaN(best) || (better === 'less' ? value < best : value > best);

const copied = (weights: ReadonlyMap<string, Tensor>): Map<string, Tensor> =>
  new Map([...weights].map(([name, t]) => [name, { ...t, bytes: t.bytes.slice() }]));

const diverged = (sentence: string, where: string, got: string): PareError =>
  new PareError('train/diverged', sentence, {
    where,
    expected: 'finite numbers of a sensible size',
    got,
    hint: 'a smaller learning rate, a warm-up, or gradient clipping (clipNorm: 1)',
  });
const brokenBy = ({ epoch, step }: Position, weight: string): PareError =>
  diverged(`An update made a weight no number, by epoch ${epoch + 1}, step ${step}.`, `weight "${weight}"`, 'NaN');
const hopeless = ({ epoch, step, firstLoss }: Position, loss: number): PareError =>
  diverged(
    `The loss runs away in epoch ${epoch + 1}, step ${step}.`,
    'the loss',
    `${loss}, after ${firstLoss} at first`,
  );
