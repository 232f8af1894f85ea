/**
 * Replicas of one training step. Each takes its share of every batch and writes its slopes into a segment of its own; the
 * weights are one piece of memory that all read and one update writes.
 *
 *   g = Σ_r share_r · g_r      share_r = samples of replica r / samples of the batch, in the order of the replicas
 */

import { PareError } from '../base/error.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import { copyFloats, elements, type Tensor, tensor } from '../graph/tensor.ts';
import type { Lab } from '../runtime/index.ts';
import { type Arena, chain, createArena, type Optimizer } from '../train/index.ts';
import {
  bindStep,
  type Load,
  loadGraph,
  type Program,
  type StepGraph,
  type StepOptions,
  stepGraph,
} from '../train/program.ts';
import { alone } from './alone.ts';
import { blockOf, type Collective } from './collective.ts';
import type { Compression, RunningCompression } from './compress/index.ts';
import { gathering, joinLink, SUM } from './join-slopes.ts';
import { peerSums } from './peer-sum.ts';
import { sumAlong } from './sum-along.ts';
import { loadSegments } from './tensor/load.ts';

export interface CrewOptions extends Omit<StepOptions, 'batch'> {
  /** Samples per run, of all replicas of all ranks together. */
  readonly batch: number;
  /** Runs whose mean slopes make one update. Default 1. */
  readonly accumulate?: number;
  /** Replicas in this process. */
  readonly replicas: number;
  /** Where each replica works (`openPlaces`). Default: the lab's engine, with an even share of its threads. */
  readonly labs?: readonly Lab[];
  readonly collective: Collective;
  readonly optimizer: Optimizer;
  /** How graphs are loaded. Default: each as one session. */
  readonly load?: Load;
  /** Ranks that share each layer with this one: they stop together. */
  readonly peers?: Collective;
  /** Each rank gets its block of the joined slopes only, and keeps the optimiser's state elsewhere. Default false. */
  readonly isSharded?: boolean;
  /** Each rank goes its own way: the slopes of its share of the batch are its own. Default false. */
  readonly isApart?: boolean;
  /** Layers with batch statistics take those of all replicas' samples (of all ranks, unless these are apart). Default false. */
  readonly syncNorm?: boolean;
  /** What the ranks' slopes travel as. Default: as they are. */
  readonly compression?: Compression | undefined;
  /** State slots that an arena must have beside the optimiser's. */
  readonly slots?: readonly string[];
}

export interface Crew extends Disposable {
  readonly step: StepGraph;
  /** Weights in `w`; the batch's slopes are in `g` when the optimiser's step reads them. */
  readonly arena: Arena;
  /** The optimiser, with what joins the replicas' slopes in front of it. Start this one, on `arena`. */
  readonly optimizer: Optimizer;
  /** The slopes' compression at work, where the ranks have one. */
  readonly compressed: RunningCompression | undefined;
  /** The samples of a batch that are this process's. */
  own(list: Int32Array): Int32Array;
  /** Writes this rank's part of a batch into set 0 or 1. */
  fill(data: Dataset, list: Int32Array, set: 0 | 1): void;
  /** The number of the step, which random masks depend on (each replica has its own). */
  setStep(step: number): void;
  /** Slopes of the batch in a set, all replicas at once; `meanwhile` happens while the engine works. */
  run(set: 0 | 1, meanwhile?: () => void): Promise<void>;
  /** After the runs of an update: the slopes become the mean over all replicas and runs, and the loss is told. */
  join(): Promise<void>;
  /** The loss of the last update's runs: the mean over all their samples, equal on all ranks. */
  loss(): number;
  /** A replica of this process whose last loss was no number: its step, what it was fed, and which samples of the batch. */
  broken(set: 0 | 1): Broken | undefined;
  /** Did any rank want to stop before the last join? */
  isStopped(): boolean;
  /** Takes running statistics over, replica by replica; after each run. */
  flow(): void;
  /** All replicas of this process take over the statistics of `held`. */
  adopt(): void;
  /** Running statistics become their mean over all replicas: before they are read. Their recurrence is linear, so when does not matter. */
  settle(): Promise<void>;
  /** Frozen weights and running statistics, by name. */
  readonly held: ReadonlyMap<string, Tensor>;
  /** All weights, statistics included, as they are now (memory, not values). */
  weights(): Map<string, Tensor>;
}

export interface Broken {
  readonly step: StepGraph;
  readonly feeds: Program['feeds'][0];
  readonly samples: readonly [from: number, to: number];
  /** What its random masks depended on. */
  readonly number: number;
}

/** Steps shorter than this are not handed to other threads one and all: JavaScript's own takes one. */
const SHORT_MS = 12;

/**
 * Binds `replicas` copies of a model's step to one arena.
 *
 * Threads   the lab's, split evenly; at least one each. More than UV_THREADPOOL_SIZE (4) replicas wait for each other.
 * Throws    parallel/replicas when a batch has fewer samples than there are replicas; what `stepGraph` throws.
 */
export async function createCrew(model: Model, options: CrewOptions, lab: Lab): Promise<Crew> {
  const {
    batch,
    accumulate = 1,
    replicas,
    collective,
    optimizer,
    isSharded = false,
    isApart = false,
    syncNorm = false,
    compression,
    slots: more = [],
    peers,
    labs: given,
    ...rest
  } = options;
  const { load = loadGraph, ...how } = rest;
  const { rank, size } = collective;
  const total = replicas * size;
  if (!(Number.isInteger(replicas) && replicas > 0) || batch < total) {
    throw new PareError('parallel/replicas', `A batch of ${batch} cannot be shared by ${total} replicas.`, {
      expected: 'at least one sample for each replica',
      got: `${replicas} replicas on each of ${size} ranks`,
    });
  }
  const pool = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);
  if (replicas - 1 > pool)
    lab.onNote?.(`${replicas} replicas share ${pool} threads: start with UV_THREADPOOL_SIZE=${replicas}`);

  // Places of this rank's replicas among all, and what each takes of a batch.
  const parts = Array.from({ length: replicas }, (_, r) => blockOf(batch, total, rank * replicas + r));
  const ends = [parts[0]![0], parts.at(-1)![1]] as const;
  const shares = parts.map(([from, to]) => (to - from) / (isApart ? ends[1] - ends[0] : batch));
  const threads = Math.max(1, Math.floor((lab.threads ?? lab.engine.threads) / replicas));
  const labs = given ?? parts.map(() => ({ ...lab, threads }));
  const graphs = new Map<string, StepGraph>();
  const steps = parts.map(([from, to], r) => {
    const { engine } = labs[r]!;
    const key = `${to - from} in blocks of ${engine.blockSize}`;
    const part = { batch: to - from, ...(syncNorm && { share: shares[r]! }) };
    const made = graphs.get(key) ?? stepGraph(model, { ...how, ...part }, engine);
    graphs.set(key, made);
    return made;
  });
  const step = steps[0]!;

  const slots = parts.map((_, r) => (r === 0 ? 'g' : `g${r}`));
  const arena = createArena(step.parameters, {
    slots: [...(isSharded ? [] : optimizer.slots), ...more, ...slots.slice(1), ...(accumulate > 1 ? [SUM] : [])],
  });
  for (const { name } of step.parameters) copyFloats(step.form.weights.get(name)!, arena.view('w', name));
  await collective.broadcast(arena.segment('w'));

  const isSynced = syncNorm && step.form.state.size > 0 && shares[0]! < 1;
  const peerings = isSynced ? peerSums(replicas, isApart ? alone() : collective) : undefined;
  const programs: Program[] = [];
  for (const [r, each] of steps.entries()) {
    const own: Arena = { ...arena, view: (slot, name) => arena.view(slot === 'g' ? slots[r]! : slot, name) };
    programs.push(await bindStep(each, own, labs[r]!, peerings ? loadSegments(peerings.ends[r]!) : load));
  }

  const isJoining = size > 1 && !isApart;
  const isFused = !isJoining && accumulate === 1;
  const joined = isFused && replicas > 1 ? chain(joinLink(slots, shares, optimizer), optimizer) : optimizer;
  const gather = isFused ? undefined : gathering(arena, slots, shares, accumulate);
  const slopes = arena.segment('g');
  const compressed = isJoining ? await compression?.start(slopes.length, collective, lab) : undefined;
  const sumSlopes = sumAlong(arena, 'g', collective, compressed);
  let [loss, sum, runs] = [0, 0, 0];
  let number = 0;
  let isStopped = false;
  let isShort = false;

  const numberOf = (n: number, replica: number): number => n * total + rank * replicas + replica;
  const running = async (set: 0 | 1, meanwhile?: () => void): Promise<void> => {
    const started = performance.now();
    const bindings = programs.map(({ runs }) => runs[set]);
    const [mine] = bindings;
    const sync = isShort && mine!.runSync ? mine : undefined;
    const ran = async (binding: (typeof bindings)[number]): Promise<void> => {
      try {
        await binding.run();
      } catch (error) {
        peerings?.fail(error);
        throw error;
      }
    };
    peerings?.begin();
    const all = Promise.allSettled(bindings.filter((binding) => binding !== sync).map(ran));
    sync?.runSync?.();
    meanwhile?.();
    for (const ended of await all) if (ended.status === 'rejected') throw ended.reason;
    isShort = performance.now() - started < SHORT_MS;
  };
  return {
    step,
    arena,
    optimizer: joined,
    compressed,
    own: (list) => list.subarray(...ends),
    broken(set) {
      const r = programs.findIndex((program) => !Number.isFinite(program.loss()));
      if (r < 0) return undefined;
      const [step, feeds] = [steps[r]!, programs[r]!.feeds[set]];
      return { step, feeds, samples: parts[r]!, number: numberOf(number, r) };
    },
    fill(data, list, set) {
      for (const [r, [from, to]] of parts.entries()) {
        const own = list.subarray(from, to);
        for (const name of step.columns.keys()) data.fill(name, own, programs[r]!.feeds[set][name]!);
      }
    },
    setStep: (n) => {
      number = n;
      for (const [r, program] of programs.entries()) program.setStep(numberOf(n, r));
    },
    async run(set, meanwhile) {
      await running(set, meanwhile);
      sum += programs.reduce((mean, program, r) => mean + shares[r]! * program.loss(), 0) / accumulate;
      gather?.(runs++);
    },
    async join() {
      [loss, sum, runs] = [sum, 0, 0];
      isStopped = lab.signal?.aborted === true;
      if (peers) {
        const wish = Float32Array.of(isStopped ? 1 : 0);
        await peers.allReduce(wish);
        isStopped = wish[0]! > 0;
      }
      if (!isJoining) return;
      const along = Float32Array.of(loss, isStopped ? 1 : 0);
      if (isSharded) {
        await collective.reduceScatter(slopes);
        await collective.allReduce(along);
      } else along.set(await sumSlopes([...along]));
      loss = along[0]!;
      isStopped = along[1]! > 0;
    },
    isStopped: () => isStopped,
    loss: () => loss,
    flow: () => {
      for (const program of programs) program.flow();
    },
    adopt: () => {
      for (const { held } of programs.slice(1))
        for (const [name, t] of programs[0]!.held) held.get(name)!.bytes.set(t.bytes);
    },
    async settle() {
      if (total === 1) return;
      for (const name of step.form.state.keys()) {
        const each = programs.map(({ held }) => elements(held.get(name)!) as Float32Array);
        const mean = each[0]!.map((_, i) => each.reduce((sum, values, r) => sum + shares[r]! * values[i]!, 0));
        await collective.allReduce(mean, isApart ? 'mean' : 'sum');
        for (const values of each) values.set(mean);
      }
    },
    held: programs[0]!.held,
    weights: () =>
      new Map([
        ...programs[0]!.held,
        ...step.parameters.map(
          ({ name }) => [name, tensor('float32', step.form.weights.get(name)!.dims, arena.view('w', name))] as const,
        ),
      ]),
    [Symbol.dispose]: () => {
      compressed?.[Symbol.dispose]();
      for (const program of programs) program[Symbol.dispose]();
    },
  };
}
