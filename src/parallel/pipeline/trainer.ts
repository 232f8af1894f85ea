/** A trainer whose model is cut into stages that work at the same time, on one machine or one in each rank. */

import { PareError } from '../../base/error.ts';
import { batches } from '../../data/batches.ts';
import type { Dataset } from '../../data/dataset.ts';
import { expand } from '../../grad/expand.ts';
import { removeDead } from '../../graph/edit.ts';
import type { Model } from '../../graph/model.ts';
import { copyFloats, elements, sizeOf, type Tensor, tensor } from '../../graph/tensor.ts';
import { infer } from '../../ops/infer.ts';
import type { Lab } from '../../runtime/index.ts';
import { batchFor } from '../../train/batch-size.ts';
import { createArena } from '../../train/index.ts';
import { learningForm } from '../../train/learning-form.ts';
import { lossFor } from '../../train/loss/index.ts';
import { plan } from '../../train/optim/plan.ts';
import { columnsOf, type StepGraph, withLoss } from '../../train/program.ts';
import type { Trainer, TrainerOptions, UpdateRange } from '../../train/trainer.ts';
import { alone } from '../alone.ts';
import type { Collective } from '../collective.ts';
import { parts, whole as wholeArrays } from '../share.ts';
import { diverged, updatesOf } from '../trainer.ts';
import { type BalanceName, balances } from './balance.ts';
import { type BoundStage, bindStage } from './bind-stage.ts';
import { cutStages } from './cut.ts';
import { groupsFor } from './groups.ts';
import { type Link, rankLink, sharedLink } from './link.ts';
import { microMemory } from './micro-memory.ts';
import { type ScheduleName, schedules } from './schedule.ts';
import { scoreStages } from './score.ts';
import { stageGraphs } from './stage-graph.ts';

export interface PipelineOptions extends TrainerOptions {
  /** The group that this process belongs to. Default: none. */
  readonly collective?: Collective;
  /** Parts of the model: as many as there are ranks, or a divisor, which makes copies of the pipeline. Default: the number of ranks, or 2. */
  readonly stages?: number;
  /** Parts of a copy's batch that follow each other through the stages. Default: 4 for each stage, or what divides the batch below. */
  readonly micro?: number;
  /** In which order a stage works on them. Default '1f1b'. */
  readonly schedule?: ScheduleName;
  /** What the stages are made even in. Default 'cost': the same cut on every machine, and no process needs all weights for it. */
  readonly balance?: BalanceName;
}

export interface PipelineTrainer extends Trainer {
  /** Each stage's share of what the cut balances, in order. */
  readonly shares: readonly number[];
}

/** Micro-batches for each stage: the pipe then stands idle for (stages − 1) / (4 stages + stages − 1) of a step. */
const MICRO_PER_STAGE = 4;

/**
 * The pipelined counterpart of `openTrainer`: the slopes of a batch are those of the unsplit model, to rounding.
 *
 * On stages × N ranks, N pipelines share each batch: neighbours in the group make one, and what one stage's copies learn is averaged.
 * Values stay in each stage for the way back; with `recompute` only what it was given does. BatchNorm sees micro-batches.
 * Throws   parallel/stages for a model that cannot be cut so; parallel/micro when the batch cannot be divided so;
 *          parallel/norm for an optimiser that needs a norm over all weights while the stages are in different ranks.
 */
export async function openPipelineTrainer(
  model: Model,
  data: Dataset,
  options: PipelineOptions,
  lab: Lab,
): Promise<PipelineTrainer> {
  const {
    collective = alone(),
    learns = () => true,
    groups = [],
    schedule: order = '1f1b',
    balance = 'cost',
  } = options;
  const schedule = schedules[order];
  const count = options.stages ?? (collective.size > 1 ? collective.size : 2);
  const { pipe, copies } = await groupsFor(collective, count);
  const isSpread = pipe.size > 1;
  const { batch: single, accumulate } = await batchFor(model, data, options, lab);
  const updatesPerEpoch = updatesOf(data, single, accumulate);
  // A pipeline accumulates anyway: its micro-batches are what must fit into memory.
  const batch = single * accumulate;
  const share = batch / copies.size;
  const micro = (options.micro ?? dividing(single / copies.size, MICRO_PER_STAGE * count)) * accumulate;
  if (!(Number.isInteger(micro) && micro > 0) || share % micro !== 0) {
    throw new PareError('parallel/micro', `A batch of ${batch} cannot be divided into ${micro} equal micro-batches.`, {
      ...(copies.size > 1 && { where: `the share of each of ${copies.size} pipelines: ${share}` }),
      hint: Number.isInteger(share) ? `${dividing(share, micro)} would fit` : `a batch that ${copies.size} divides`,
    });
  }
  const optimizer = options.optimizer(updatesPerEpoch);
  if (isSpread && plan(optimizer.links).passes.some(({ sums }) => sums.some(({ over }) => over === 'all'))) {
    throw new PareError(
      'parallel/norm',
      'This optimiser needs a norm over all weights, of which each rank has a part.',
      { where: optimizer.name, hint: 'stages in one process, or an optimiser without it' },
    );
  }

  const samples = Object.fromEntries(Object.entries(data.inputs).map(([name, { dims }]) => [name, dims]));
  const form = learningForm(model, { batch: share / micro, samples });
  const loss = options.loss ?? lossFor(data.task);
  const { graph: forward, lossName } = withLoss(form.graph, loss, share / micro);
  const flowing = [...form.state.values()].map((name) => ({ name }));
  // Composites are expanded before the cut: a stage's forward and its way back draw the same random masks.
  const whole = removeDead({ ...expand(forward), outputs: [{ name: lossName }, ...flowing] });
  const dimsOf = (name: string): readonly number[] => form.weights.get(name)!.dims;
  const columns = columnsOf(whole, form);
  const recompute = options.recompute === true;
  const slots = optimizer.slots.length;
  const way = { learns, count, micro, schedule, recompute, slots, collective };
  const weigh = await balances[balance]({ graph: whole, output: lossName, form, columns, data, ...way }, lab);
  const stages = cutStages(whole, { count, weights: new Set(form.weights.keys()), output: lossName, weigh });
  const firstToLearn = stages.findIndex(({ weights }) => weights.some((name) => learns(name) && !form.state.has(name)));
  if (firstToLearn < 0) throw new PareError('train/nothing', 'The loss depends on no weight that may learn.');
  const own = isSpread ? [pipe.rank] : stages.map((_, s) => s);
  const graphs = new Map(
    own.map((s) => {
      const { engine } = lab;
      const place = { isLast: s === count - 1, wantsSlope: s > firstToLearn };
      return [s, stageGraphs(stages[s]!, { ...place, micro, learns, state: form.state, recompute, engine })];
    }),
  );
  const parameters = own.flatMap((s) =>
    graphs.get(s)!.trained.map((name) => ({ name, length: sizeOf(dimsOf(name)), dims: dimsOf(name) })),
  );
  const arena = createArena(parameters, { slots: optimizer.slots });
  for (const { name } of parameters) copyFloats(form.weights.get(name)!, arena.view('w', name));

  const isTrained = new Set(parameters.map(({ name }) => name));
  const isOwn = new Set(own.flatMap((s) => stages[s]!.weights));
  const held = new Map(
    [...form.weights].flatMap(([name, t]) =>
      isTrained.has(name) || !isOwn.has(name) ? [] : [[name, { ...t, bytes: t.bytes.slice() }]],
    ),
  );
  const read = new Set(own.flatMap((s) => stages[s]!.graph.inputs.map(({ name }) => name)));
  const memory = microMemory(new Map([...columns].filter(([name]) => read.has(name))), share, micro);
  const numbers = Array.from({ length: micro }, () => tensor('uint32', [], Uint32Array.of(0)));

  const facts = infer(whole);
  const links = stages.slice(0, -1).map(({ gives }, s): Link | undefined => {
    const length = sizeOf(facts.get(gives)!.dims as readonly number[]);
    const ring = schedule.inFlight(s, count, micro);
    if (!isSpread) return sharedLink(length, ring);
    return pipe.rank === s || pipe.rank === s + 1 ? rankLink(pipe, pipe.rank === s, length, ring) : undefined;
  });
  const threads = Math.max(1, Math.floor((lab.threads ?? lab.engine.threads) / own.length));
  const bound: BoundStage[] = [];
  for (const s of own) {
    const [up, down] = [links[s - 1], links[s]];
    const place = { index: s, count, micro, schedule, arena, dims: dimsOf, held, state: form.state };
    const given = { column: memory.part, step: (m: number) => numbers[m]!, ...(up && { up }), ...(down && { down }) };
    bound.push(await bindStage(stages[s]!, graphs.get(s)!, { ...place, ...given }, { ...lab, threads }));
  }
  const running = optimizer.start(arena, { groups, lab });

  /** The loss of a step, and how many want to stop. */
  const told = Float32Array.of(0, 0);
  /** One step; the loss of the batch on all ranks. */
  const step = async (): Promise<number> => {
    arena.segment('g').fill(0);
    const failing = (reason: unknown): never => {
      for (const link of links) link?.fail(reason);
      throw reason;
    };
    const runs = await Promise.allSettled(bound.map((stage) => stage.run().catch(failing)));
    for (const run of runs) if (run.status === 'rejected') throw run.reason;
    for (const link of links) await link?.close();
    told[0] = bound.reduce((sum, stage) => sum + stage.loss(), 0) / copies.size;
    told[1] = lab.signal?.aborted ? 1 : 0;
    await copies.allReduce(arena.segment('g'), 'mean');
    await collective.allReduce(told);
    return told[0]!;
  };

  /** Running statistics become their mean over the copies. */
  const settle = async (): Promise<void> => {
    for (const name of form.state.keys()) {
      const t = held.get(name);
      if (t) await copies.allReduce(elements(t) as Float32Array, 'mean');
    }
  };

  async function* updates(
    epoch: number,
    { from = 0, to = updatesPerEpoch, lr }: UpdateRange = {},
  ): AsyncGenerator<number, void, void> {
    const source = data.atEpoch?.(epoch) ?? data;
    const lists = [...batches(data.size, { batch, seed: lab.seed ?? 0, epoch, dropLast: true })].map((list) =>
      list.subarray(copies.rank * share, (copies.rank + 1) * share),
    );
    for (let i = from; i < to; i++) {
      await source.prepare?.(lists[i]!);
      memory.fill(source, lists[i]!);
      const number = (epoch * updatesPerEpoch + i + 1) * copies.size + copies.rank;
      for (const [m, n] of numbers.entries()) (elements(n) as Uint32Array)[0] = number * micro + m;
      const mean = await step();
      if (!Number.isFinite(mean)) throw diverged(epoch, i, mean);
      if (running.probe()) await step();
      const rate = lr?.(i);
      await running.step(rate === undefined ? {} : { lr: rate });
      if (i === to - 1) await settle();
      yield mean;
    }
  }

  const weights = (): Map<string, Tensor> =>
    new Map([
      ...held,
      ...parameters.map(({ name }) => [name, tensor('float32', dimsOf(name), arena.view('w', name))] as const),
    ]);
  const unsplit: StepGraph = { graph: whole, form, parameters, slopes: new Map(), columns, lossName };
  const stageOf = new Map(stages.flatMap((stage, s) => stage.weights.map((name) => [name, s] as const)));
  return {
    step: unsplit,
    shares: stages.map(({ share }) => share),
    arena,
    running,
    optimizer,
    batch: single,
    accumulate,
    updatesPerEpoch,
    held,
    weights,
    updates,
    agreement: {
      isStopped: () => told[1]! > 0,
      settle,
      isPart: () => false,
      async whole(all, take) {
        await settle();
        return wholeArrays(collective, all, () => undefined, take);
      },
      parts: (all, given) => parts(collective, all, given),
      ...(isSpread && {
        async score(scored, set, how, where) {
          await settle();
          return scoreStages(scored, set, { ...how, stageOf, weights: weights(), pipe, settle }, where);
        },
      }),
    },
    [Symbol.dispose]: () => {
      for (const stage of bound) stage[Symbol.dispose]();
    },
  };
}

/** The largest number up to `most` that divides `batch`. */
const dividing = (batch: number, most: number): number => {
  for (let n = Math.min(batch, Math.max(1, Math.floor(most))); n > 1; n--) if (batch % n === 0) return n;
  return 1;
};
