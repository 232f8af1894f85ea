/** A trainer whose every update is the work of several replicas and ranks; whoever holds it need not know. */

import { PareError } from '../base/error.ts';
import { batchCount, batches } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';
import { batchFor } from '../train/batch-size.ts';
import { diagnose } from '../train/diagnose.ts';
import { lossFor } from '../train/loss/index.ts';
import { plan } from '../train/optim/plan.ts';
import type { Optimizer } from '../train/optim/transform.ts';
import { scorer } from '../train/score.ts';
import type { Trainer, TrainerOptions, UpdateRange } from '../train/trainer.ts';
import type { RunArrays } from '../train/workers.ts';
import { alone } from './alone.ts';
import type { Collective } from './collective.ts';
import { type Compression, plainBytes } from './compress/index.ts';
import { createCrew } from './crew.ts';
import { openPlaces } from './device.ts';
import { meetingSlots, outers, startMeetings } from './local-sgd.ts';
import { isOwnState, ownPart, withState } from './own-state.ts';
import type { Part } from './part.ts';
import { startSharded } from './shard.ts';
import { parts, whole } from './share.ts';
import { loadSegments } from './tensor/load.ts';
import { splitModel } from './tensor/split.ts';
import { checkWays } from './ways.ts';

export interface ParallelTrainerOptions extends TrainerOptions {
  /** Replicas in this process. Default 1. `batch` counts the samples of all replicas of all ranks together. */
  readonly replicas?: number;
  /** Where each replica works, `cpu:0-1` or `cuda:0`: as many as there are replicas. Default: wherever the system puts them. */
  readonly devices?: readonly string[];
  /** The group that this process belongs to. Default: none. */
  readonly collective?: Collective;
  /** Each rank keeps the optimiser's state of its share of the weights only, and updates those. Default false. */
  readonly shardUpdate?: boolean;
  /** Split each layer over so many ranks, next to each other in the group. Default 1. */
  readonly tensor?: number;
  /** Layers with batch statistics take those of all copies' samples together (synchronised batch normalisation). Default false. */
  readonly syncNorm?: boolean;
  /** What the ranks' slopes (or differences) travel as. Default: as they are. */
  readonly compress?: Compression;
  /** Updates that each rank makes by itself before they meet; they count as one update then. Default: ranks join every gradient. */
  readonly syncEvery?: number;
  /** What a meeting makes of the ranks' differences. Default `outers.average()`. */
  readonly outer?: Optimizer;
}

export interface ParallelTrainer extends Trainer {
  /** Bytes that this rank sends with each update, and those of the same update sent as float32 every time. */
  readonly traffic: { readonly bytes: number; readonly plainBytes: number };
}

/**
 * The parallel counterpart of `openTrainer`: same batches in the same order, same losses to about 1e-5.
 *
 * Throws   parallel/replicas; parallel/exclusive for ways of working that do not go together; train/accumulate when there are too few samples for one update; parallel/norm as `startSharded`;
 *          what `stepGraph` throws. While it works: train/diverged.
 */
export async function openParallelTrainer(
  model: Model,
  data: Dataset,
  options: ParallelTrainerOptions,
  lab: Lab,
): Promise<ParallelTrainer> {
  checkWays(options);
  const { devices, replicas = devices?.length ?? 1, collective = alone(), learns, groups = [] } = options;
  const { batch, accumulate } = await batchFor(model, data, options, lab);
  const ownUpdates = updatesOf(data, batch, accumulate);
  const { compress, syncEvery, outer = outers.average() } = options;
  const every = Math.min(syncEvery ?? 1, ownUpdates);
  const updatesPerEpoch = Math.ceil(ownUpdates / every);
  const loss = options.loss ?? lossFor(data.task);
  const layers = await splitLayers(model, options);
  const { copies, load, peers } = layers;
  const isSharded = options.shardUpdate === true && copies.size > 1;
  const places = devices && (await openPlaces(devices, lab));
  const crew = await createCrew(
    layers.model,
    {
      batch,
      accumulate,
      replicas,
      ...(places && { labs: places.labs }),
      collective: copies,
      isSharded,
      ...(load && { load, peers }),
      isApart: syncEvery !== undefined,
      ...(syncEvery !== undefined && { slots: meetingSlots(outer) }),
      compression: compress,
      ...(options.syncNorm && { syncNorm: true }),
      loss,
      samples: Object.fromEntries(Object.entries(data.inputs).map(([name, { dims }]) => [name, dims])),
      ...(options.recompute && { recompute: true }),
      optimizer: options.optimizer(ownUpdates),
      learns: (name) => !layers.silenced.has(name) && (learns?.(name) ?? true),
    },
    lab,
  );
  const { arena, step, optimizer } = crew;
  const shard = isSharded ? startSharded(arena, optimizer, copies, groups) : undefined;
  const updating = shard?.running ?? optimizer.start(arena, { groups, lab });
  const isApart = syncEvery !== undefined;
  const length = arena.segment('g').length;
  const compressed = crew.compressed ?? (isApart ? await compress?.start(length, copies, lab) : undefined);
  const meetings = isApart ? startMeetings(arena, optimizer, outer, copies, compressed) : undefined;
  const running = withState(updating, meetings, compressed);
  if (
    layers.silenced.size + layers.parts.size > 0 &&
    (optimizer.links.some(({ matrix }) => matrix) || plan(optimizer.links).passes.some(({ sums }) => sums.length > 0))
  ) {
    throw new PareError(
      'parallel/norm',
      'This optimiser needs norms of whole weights, of which each rank has a part.',
      {
        where: optimizer.name,
        hint: 'split nothing, or take an optimiser that treats each weight by itself',
      },
    );
  }
  if (accumulate > 1 && optimizer.links.some(({ probe }) => probe)) throw probing(optimizer.name);

  /** Where a replica of this process lost its way, in its last run. */
  const named = async (epoch: number, update: number, set: 0 | 1): Promise<PareError | undefined> => {
    const broken = crew.broken(set);
    if (!broken || layers.parts.size > 0) return undefined; // of a split layer nobody can run the whole
    const i = (update + 1) * accumulate - 1;
    const list = [...batches(data.size, { batch, seed: lab.seed ?? 0, epoch, dropLast: true })][i]!;
    const { samples, number, ...scene } = broken;
    const place = { epoch, update, samples: list.subarray(...samples), step: number };
    return diagnose(
      { ...scene, model, loss, arena, batch: samples[1] - samples[0], weights: crew.weights() },
      place,
      lab,
    );
  };

  let isStopped = false;
  async function* updates(
    epoch: number,
    { from: first = 0, to: last = updatesPerEpoch, lr }: UpdateRange = {},
  ): AsyncGenerator<number, void, void> {
    const [from, to] = [first * every, Math.min(last * every, ownUpdates)];
    const source = data.atEpoch?.(epoch) ?? data;
    const lists = [...batches(data.size, { batch, seed: lab.seed ?? 0, epoch, dropLast: true })];
    const end = to * accumulate;
    const fill = (i: number): void => {
      if (i < end) crew.fill(source, lists[i]!, (i % 2) as 0 | 1);
    };
    const prepare = (i: number): Promise<void> | undefined =>
      i < end ? source.prepare?.(crew.own(lists[i]!)) : undefined;
    const begin = from * accumulate;
    await prepare(begin);
    fill(begin);
    let ready = prepare(begin + 1);
    let [sum, count] = [0, 0];
    for (let update = from; update < to; update++) {
      let set: 0 | 1 = 0;
      for (let i = update * accumulate; i < (update + 1) * accumulate; i++) {
        set = (i % 2) as 0 | 1;
        crew.setStep(epoch * ownUpdates * accumulate + i + 1);
        await ready;
        ready = prepare(i + 2);
        await crew.run(set, () => fill(i + 1));
        if (accumulate > 1) crew.flow();
      }
      await crew.join();
      const mean = crew.loss();
      if (!Number.isFinite(mean)) throw (await named(epoch, update, set)) ?? diverged(epoch, update, mean);
      if (running.probe()) {
        await crew.run(set);
        await crew.join();
      }
      if (accumulate === 1) crew.flow();
      const rate = lr?.(Math.floor(update / every));
      await running.step(rate === undefined ? {} : { lr: rate });
      await shard?.gather();
      sum += mean;
      count += 1;
      if (meetings && (count === every || update === to - 1)) {
        const [losses, wishes] = await meetings.meet([sum / count, crew.isStopped() ? 1 : 0]);
        [sum, isStopped] = [losses! * (count / copies.size), wishes! > 0];
      } else if (meetings) continue;
      if (update === to - 1) await crew.settle();
      yield sum / count;
      [sum, count] = [0, 0];
    }
  }

  // Parts of weights by the name of their array in a checkpoint.
  const partOf = (name: string): Part | undefined => {
    const [prefix = ''] = /^(slot\/[^/]*|\w+)\//.exec(name) ?? [];
    const key = name.slice(prefix.length);
    const part = (prefix.startsWith('slot/') && shard?.pieces.get(key)) || layers.parts.get(key);
    return part && { ...part, of: prefix + part.of };
  };
  const partIn =
    (own: RunArrays) =>
    (name: string): Part | undefined =>
      copies.size > 1 && isOwnState(name, isApart) ? ownPart(name, own.get(name)!.values.length, copies) : partOf(name);
  const spoken = (own: RunArrays): RunArrays =>
    new Map([...own].filter(([name]) => !layers.silenced.has(name.slice(name.indexOf('/') + 1))));
  return {
    step,
    arena,
    running,
    optimizer,
    batch,
    accumulate: accumulate * every,
    updatesPerEpoch,
    traffic: {
      bytes: compressed?.bytes ?? plainBytes(length, copies.size),
      plainBytes: every * plainBytes(length, copies.size),
    },
    held: crew.held,
    weights: crew.weights,
    updates,
    agreement: {
      isStopped: () => (meetings ? isStopped : crew.isStopped()),
      settle: crew.settle,
      isPart: (weight) => layers.parts.has(weight),
      async whole(own, take) {
        await crew.settle();
        return whole(collective, spoken(own), partIn(own), take);
      },
      async parts(own, all) {
        await parts(collective, spoken(own), all, partIn(own));
        crew.adopt();
      },
      ...(load && {
        async score(_, set, how, where) {
          await crew.settle();
          const score = await scorer(layers.model, set, crew.weights(), { ...how, load }, where);
          const run = async (): Promise<number> => {
            await crew.settle();
            return score.run();
          };
          return { ...score, run };
        },
      }),
    },
    [Symbol.dispose]: () => {
      if (isApart) compressed?.[Symbol.dispose]();
      crew[Symbol.dispose]();
      places?.close();
    },
  };
}

/** This rank's part of the model, and the ranks that hold the same part of other copies. */
async function splitLayers(model: Model, { collective = alone(), tensor = 1, shardUpdate }: ParallelTrainerOptions) {
  if (tensor === 1) return { model, copies: collective, parts: new Map<string, Part>(), silenced: new Set<string>() };
  if (shardUpdate || collective.size % tensor !== 0) {
    throw new PareError('parallel/tensor', `Layers cannot be split over ${tensor} of ${collective.size} ranks.`, {
      expected: 'a number of ranks that it divides, and an update that is not sharded',
      hint: `mpirun -n ${tensor}, or a multiple of it`,
    });
  }
  const peers = await collective.split(Math.floor(collective.rank / tensor));
  const copies = await collective.split(collective.rank % tensor);
  const { model: own, parts: held, silenced } = splitModel(model, tensor, peers.rank);
  return { model: own, copies, load: loadSegments(peers), peers, parts: held, silenced };
}

/** Updates of an epoch. Throws train/accumulate when there are not samples enough for one. */
export function updatesOf(data: Dataset, batch: number, accumulate: number): number {
  const updates = batchCount(data.size, { batch: batch * accumulate, dropLast: true });
  if (Number.isInteger(accumulate) && accumulate > 0 && updates > 0) return updates;
  throw new PareError('train/accumulate', `${data.size} samples do not make one update.`, {
    expected: 'a whole number of runs per update, and samples for all of them',
    got: `${accumulate} runs of ${batch} samples`,
  });
}

const probing = (optimizer: string): PareError =>
  new PareError('train/accumulate', 'An optimiser that asks for two gradients a step takes no accumulated ones.', {
    where: optimizer,
    hint: 'use larger batches instead of accumulate',
  });

/** The error for a loss that is no number. */
export const diverged = (epoch: number, step: number, loss: number): PareError =>
  new PareError('train/diverged', `The loss became ${loss} in epoch ${epoch + 1}, step ${step + 1}.`, {
    expected: 'a finite number',
    got: `${loss}`,
    hint: 'a smaller learning rate, gradient clipping, or inputs scaled to about ±1',
  });
