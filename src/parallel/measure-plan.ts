/** What a plan is made from, measured on this machine: the time of slopes and update, and what splits of the model would cost. */

import { random } from '../base/random.ts';
import { expand } from '../grad/expand.ts';
import { isStatic } from '../graph/dim.ts';
import { removeDead } from '../graph/edit.ts';
import type { Graph, Model } from '../graph/model.ts';
import { sizeOf } from '../graph/tensor.ts';
import { infer } from '../ops/infer.ts';
import { type Lab, stopIfAborted } from '../runtime/index.ts';
import { adam, createArena, crossEntropy, type Loss, meanSquaredError } from '../train/index.ts';
import { learningForm } from '../train/learning-form.ts';
import { withMasters } from '../train/masters.ts';
import { bindStep, type StepGraph, stepGraph, withLoss } from '../train/program.ts';
import { costsOf, cutStages } from './pipeline/cut.ts';
import type { PlanInput } from './plan.ts';
import { splitModel } from './tensor/split.ts';

export interface MeasurePlanOptions {
  /** Samples per step, of all ranks together. Default 64. */
  readonly batch?: number;
  /** Dimensions of one sample by input, where the model leaves them open. */
  readonly samples?: Readonly<Record<string, readonly number[]>>;
  /** Timed runs of each size; the fastest counts. Default 5. */
  readonly rounds?: number;
}

/** Bytes of a float32. */
const FLOAT = 4;
/** Ranks that a layer is split over at most: beyond, messages outweigh the work. */
const MOST_TENSOR = 8;

/**
 * Measures one training step with Adam at two batch sizes, and works out what pipelines and split layers would pass on.
 *
 * Throws   what `stepGraph` throws; work/aborted.
 */
export async function measurePlan(given: Model, options: MeasurePlanOptions, lab: Lab): Promise<PlanInput> {
  const { model } = withMasters(given); // as it learns
  const { batch = 64, samples = {}, rounds = 5 } = options;
  const loss = lossFor(model, { batch: 1, samples }, lab);
  const sizes = [...new Set([batch, Math.max(1, Math.round(batch / 4))])];
  const measured = [];
  let updateMs = 0;
  let step: StepGraph | undefined;
  for (const [i, size] of sizes.entries()) {
    step = stepGraph(model, { loss, batch: size, samples }, lab.engine);
    const times = await timeStep(step, rounds, lab);
    measured.push({ samples: size, ms: times.slopesMs });
    updateMs = Math.max(updateMs, times.updateMs);
    lab.onProgress?.({ task: 'measure', done: i + 1, total: sizes.length });
  }
  const parameters = step!.parameters.reduce((sum, { length }) => sum + length, 0);

  const form = learningForm(model, { batch: 1, samples });
  const { graph, lossName } = withLoss(form.graph, loss, 1);
  const whole = removeDead({ ...expand(graph), outputs: [{ name: lossName }] });
  const facts = infer(whole);
  const bytesOf = (name: string): number => {
    const dims = facts.get(name)?.dims;
    return isStatic(dims) ? FLOAT * sizeOf(dims) : 0;
  };
  const weights = new Set(form.weights.keys());
  const cuts = (stages: number) => {
    try {
      return cutStages(whole, { count: stages, weights, output: lossName });
    } catch {
      return undefined; // fewer places than that
    }
  };
  const two = cuts(2);
  return {
    batch,
    parameters,
    slopesMs: measured,
    updateMs,
    activationBytes: whole.nodes.reduce(
      (sum, { outputs }) => sum + outputs.reduce((s, name) => s + bytesOf(name), 0),
      0,
    ),
    ...(two && {
      cutBytes: bytesOf(two[0]!.gives),
      dearestShare: (stages: number) =>
        Math.max(...(cuts(stages)?.map(({ share }) => share) ?? [Number.POSITIVE_INFINITY])),
    }),
    ...tensorOf(model, samples),
  };
}

/** Cross-entropy where the model gives a score for each class, else the squared error. */
function lossFor(model: Model, how: { batch: number; samples: MeasurePlanOptions['samples'] & {} }, lab: Lab): Loss {
  try {
    stepGraph(model, { loss: crossEntropy(), ...how }, lab.engine);
    return crossEntropy();
  } catch {
    return meanSquaredError();
  }
}

async function timeStep(step: StepGraph, rounds: number, lab: Lab): Promise<{ slopesMs: number; updateMs: number }> {
  const optimizer = adam();
  const arena = createArena(step.parameters, { slots: optimizer.slots });
  for (const { name } of step.parameters) {
    const { bytes } = step.form.weights.get(name)!;
    arena.view('w', name).set(new Float32Array(bytes.slice().buffer));
  }
  using program = await bindStep(step, arena, lab);
  const source = random(lab.seed ?? 0, 'plan');
  for (const values of Object.values(program.feeds[0]))
    if (values instanceof Float32Array) for (let i = 0; i < values.length; i++) values[i] = source.uniform();
  const running = optimizer.start(arena);
  const [slopes, updates]: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round++) {
    stopIfAborted(lab.signal);
    const begun = performance.now();
    await program.runs[0].run();
    const between = performance.now();
    await running.step({ lr: 0 });
    if (round === 0) continue; // the first pays for memory
    slopes.push(between - begun);
    updates.push(performance.now() - between);
  }
  return { slopesMs: Math.min(...slopes), updateMs: Math.min(...updates) };
}

/** What splitting layers over ranks would share out and add up; nothing where no layer can be split. */
function tensorOf(model: Model, samples: MeasurePlanOptions['samples'] & {}): Pick<PlanInput, 'tensor'> {
  try {
    const { model: own, share } = splitModel(model, 2, 0);
    const { graph } = learningForm(own, { batch: 1, samples });
    const total = (of: Graph): number => costsOf(of).reduce((sum, cost) => sum + cost, 0);
    const work = 2 * (1 - total(graph) / total(learningForm(model, { batch: 1, samples }).graph));
    const facts = infer(graph);
    const sums = graph.nodes.filter(({ op, domain }) => op === 'RankSum' && domain === 'pare');
    const bytes = sums.reduce(
      (sum, { inputs }) => sum + FLOAT * sizeOf(facts.get(inputs[0]!)!.dims as readonly number[]),
      0,
    );
    return { tensor: { share, work, sums: sums.length, sumBytes: bytes, most: MOST_TENSOR } };
  } catch {
    return {};
  }
}
