/** A trainer whose model is cut into stages that work at the same time, on one machine or one in each rank. */

import { PareError } from '../../base/error.ts';
import { batches } from '../../data/batches.ts';
import type { Dataset } from '../../data/dataset.ts';
import { expand } from '../../grad/expand.ts';
import { removeDead } from '../../graph/edit.ts';
import type { Model } from '../../graph/model.ts';
import { copyFloats, elements, sizeOf, type Tensor, tensor, zeros } from '../../graph/tensor.ts';
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
import { type BoundStage, bindStage } from './bind-stage.ts';
import { cutStages } from './cut.ts';
import { inFlight, type Link, rankLink, sharedLink } from './schedule.ts';
import { stageGraphs } from './stage-graph.ts';

export interface PipelineOptions extends TrainerOptions {
  /** The group that this process belongs to. Default: none. */
  readonly collective?: Collective;
  /** Parts of the model. Under MPI: as many as there are ranks. Default: the number of ranks, or 2. */
  readonly stages?: number;
  /** Parts of a batch that follow each other through the stages. Default: 4 for each stage, or what divides the batch below. */
  readonly micro?: number;
}

/** Micro-batches for each stage: the pipe then stands idle for (stages − 1) / (4 stages + stages − 1) of a step. */
const MICRO_PER_STAGE = 4;

/**
 * The pipelined counterpart of `openTrainer`: the slopes of a batch are those of the unsplit model, to rounding.
 *
 * Each stage keeps the values it was given and works its inside out again on the way back. BatchNorm sees micro-batches.
 * Throws   parallel/stages for a model that cannot be cut so; parallel/micro when the batch cannot be divided so;
 *          parallel/norm for an optimiser that needs a norm over all weights while the stages are in different ranks.
 */
export async function openPipelineTrainer(
  model: Model,
  data: Dataset,
  options: PipelineOptions,
  lab: Lab,
): Promise<Trainer> {
  const { collective = alone(), learns = () => true, groups = [] } = options;
  const isSpread = collective.size > 1;
  const count = options.stages ?? (isSpread ? collective.size : 2);
  const { batch: single, accumulate } = await batchFor(model, data, options, lab);
  const updatesPerEpoch = updatesOf(data, single, accumulate);
  const batch = single * accumulate; // a pipeline accumulates anyway: its micro-batches are what must fit into memory
  const micro = (options.micro ?? dividing(single, MICRO_PER_STAGE * count)) * accumulate;
  if (isSpread && count !== collective.size) {
    throw new PareError('parallel/stages', `${count} stages cannot be spread over ${collective.size} ranks.`, {
      expected: 'one rank for each stage',
      got: `${collective.size} ranks`,
    });
  }
  if (!(Number.isInteger(micro) && micro > 0) || batch % micro !== 0) {
    throw new PareError('parallel/micro', `A batch of ${batch} cannot be divided into ${micro} equal micro-batches.`, {
      hint: `${dividing(batch, micro)} would fit`,
    });
  }
  const optimizer = options.optimizer(updatesPerEpoch);
  if (isSpread && plan(optimizer.links).passes.some(({ sums }) => sums.some(({ over }) => over === 'all'))) {
    throw new PareError(
      'parallel/norm',
      'This optimiser needs a norm over all weights, of which each rank has a part.',
      {
        where: optimizer.name,
        hint: 'stages in one process, or an optimiser without it',
      },
    );
  }

  const samples = Object.fromEntries(Object.entries(data.inputs).map(([name, { dims }]) => [name, dims]));
  const form = learningForm(model, { batch: batch / micro, samples });
  const loss = options.loss ?? lossFor(data.task);
  const { graph: forward, lossName } = withLoss(form.graph, loss, batch / micro);
  const flowing = [...form.state.values()].map((name) => ({ name }));
  // Composites are expanded before the cut: a stage's forward and its way back draw the same random masks.
  const whole = removeDead({ ...expand(forward), outputs: [{ name: lossName }, ...flowing] });
  const dimsOf = (name: string): readonly number[] => form.weights.get(name)!.dims;
  const stages = cutStages(whole, { count, weights: new Set(form.weights.keys()), output: lossName });
  const firstToLearn = stages.findIndex(({ weights }) => weights.some((name) => learns(name) && !form.state.has(name)));
  if (firstToLearn < 0) throw new PareError('train/nothing', 'The loss depends on no weight that may learn.');
  const graphs = stages.map((stage, s) =>
    stageGraphs(stage, {
      isLast: s === count - 1,
      wantsSlope: s > firstToLearn,
      micro,
      learns,
      state: form.state,
      engine: lab.engine,
    }),
  );
  const own = isSpread ? [collective.rank] : stages.map((_, s) => s);
  const specsOf = (s: number) => graphs[s]!.trained.map((name) => ({ name, length: sizeOf(dimsOf(name)) }));
  const parameters = own.flatMap(specsOf);
  const arena = createArena(parameters, { slots: optimizer.slots });
  for (const { name } of parameters) copyFloats(form.weights.get(name)!, arena.view('w', name));

  const isTrained = new Set(graphs.flatMap(({ trained }) => trained));
  const isOwn = new Set(own.flatMap((s) => stages[s]!.weights));
  const held = new Map(
    [...form.weights].flatMap(([name, t]) =>
      isTrained.has(name) || !isOwn.has(name) ? [] : [[name, { ...t, bytes: t.bytes.slice() }]],
    ),
  );
  const columns = columnsOf(whole, form);
  const memory = new Map(
    [...columns].map(([name, { dtype, dims }]) => [name, zeros(dtype, [batch, ...dims.slice(1)])]),
  );
  const part = (name: string, m: number): Tensor | undefined => {
    const t = memory.get(name);
    const width = t && t.bytes.byteLength / micro;
    return t && { ...t, dims: columns.get(name)!.dims, bytes: t.bytes.subarray(m * width!, (m + 1) * width!) };
  };
  const numbers = Array.from({ length: micro }, () => tensor('uint32', [], Uint32Array.of(0)));

  const facts = infer(whole);
  const links = stages.slice(0, -1).map(({ gives }, s): Link | undefined => {
    const length = sizeOf(facts.get(gives)!.dims as readonly number[]);
    const ring = inFlight(s, count, micro);
    if (!isSpread) return sharedLink(length, ring);
    const { rank } = collective;
    return rank === s || rank === s + 1 ? rankLink(collective, rank === s, length, ring) : undefined;
  });
  const threads = Math.max(1, Math.floor((lab.threads ?? lab.engine.threads) / own.length));
  const bound: BoundStage[] = [];
  for (const s of own) {
    const [up, down] = [links[s - 1], links[s]];
    const place = { index: s, count, micro, arena, dims: dimsOf, held, state: form.state, column: part };
    const neighbours = { ...(up && { up }), ...(down && { down }) };
    bound.push(
      await bindStage(
        stages[s]!,
        graphs[s]!,
        { ...place, step: (m) => numbers[m]!, ...neighbours },
        { ...lab, threads },
      ),
    );
  }
  const running = optimizer.start(arena, { groups, lab });

  const stopped = Float32Array.of(0, 0);

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
    const mean = bound.reduce((sum, stage) => sum + stage.loss(), 0);
    stopped[1] = lab.signal?.aborted ? 1 : 0;
    if (!isSpread) return mean;
    stopped[0] = mean;
    await collective.allReduce(stopped);
    return stopped[0]!;
  };

  async function* updates(
    epoch: number,
    { from = 0, to = updatesPerEpoch, lr }: UpdateRange = {},
  ): AsyncGenerator<number, void, void> {
    const source = data.atEpoch?.(epoch) ?? data;
    const lists = [...batches(data.size, { batch, seed: lab.seed ?? 0, epoch, dropLast: true })];
    for (let i = from; i < to; i++) {
      for (const [name, t] of memory) source.fill(name, lists[i]!, elements(t));
      for (const [m, n] of numbers.entries())
        (elements(n) as Uint32Array)[0] = (epoch * updatesPerEpoch + i + 1) * micro + m;
      const mean = await step();
      if (!Number.isFinite(mean)) throw diverged(epoch, i, mean);
      if (running.probe()) await step();
      const rate = lr?.(i);
      await running.step(rate === undefined ? {} : { lr: rate });
      yield mean;
    }
  }

  const unsplit: StepGraph = { graph: whole, form, parameters, slopes: new Map(), columns, lossName };
  return {
    step: unsplit,
    arena,
    running,
    optimizer,
    batch: single,
    accumulate,
    updatesPerEpoch,
    held,
    weights: () =>
      new Map([
        ...held,
        ...parameters.map(({ name }) => [name, tensor('float32', dimsOf(name), arena.view('w', name))] as const),
      ]),
    updates,
    agreement: {
      isStopped: () => stopped[1]! > 0,
      settle: async () => undefined,
      isPart: () => false,
      whole: (all, take) => wholeArrays(collective, all, () => undefined, take),
      parts: (own, all) => parts(collective, own, all),
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
