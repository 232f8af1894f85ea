/**
 * Quantisation-aware training: the network learns while it rounds, from the float network it was.
 *
 * Starts from calibrated ranges; batch norms are folded and so frozen; weights, biases and scales learn together. The loss
 * is KL divergence from the float network's answers where they are scores (else squared error), so labels are not needed.
 * Source   Jacob et al. 2018, arXiv:1712.05877; Esser et al. 2020, arXiv:1902.08153; Hinton et al. 2015, arXiv:1503.02531.
 */

import { pick } from '../base/suggest.ts';
import type { Dataset } from '../data/dataset.ts';
import type { TypedArray } from '../graph/dtype.ts';
import type { Model } from '../graph/model.ts';
import { sizeOf } from '../graph/tensor.ts';
import { logitsOf } from '../nn/logits.ts';
import { openMaps } from '../nn/open-maps.ts';
import { withoutSpare } from '../ops/spare-attributes.ts';
import type { Lab } from '../runtime/index.ts';
import { type EpochReport, fit } from '../train/fit.ts';
import type { Loss } from '../train/loss/loss.ts';
import { adam } from '../train/optim/adam.ts';
import type { Optimizer } from '../train/optim/transform.ts';
import { predictAll } from '../train/predict.ts';
import { cosine } from '../train/schedule/cosine.ts';
import { against, record } from './agreement.ts';
import { type Calibrated, calibrate, calibratorOf, chooseSamples } from './calibrated.ts';
import { checkLayers } from './finite.ts';
import { inFloat32, storedAsBefore } from './in-float32.ts';
import { columnsOf } from './observe.ts';
import type { Plan } from './plan.ts';
import { prepare } from './prepare.ts';
import { nearest } from './round/nearest.ts';
import { lossOf } from './sensitivity.ts';
import { settleWeights } from './settle-weights.ts';
import { type SimulateOptions, simulate } from './simulate.ts';
import { mixture } from './slow-layers.ts';
import { readBy, storeTables } from './store.ts';
import { kernelFormFor } from './target.ts';

export interface QatOptions extends SimulateOptions {
  /** Samples to learn from. Labels are not needed. */
  data: Dataset;
  /** Samples to calibrate on before learning. Default 300. */
  samples?: number;
  calibrate?: Parameters<typeof calibratorOf>[0];
  /** Passes over the data. Default 3. */
  epochs?: number;
  /** Samples a step. Default 64. */
  batch?: number;
  /** Peak learning rate of Adam, along a cosine. Default 1e-4 from 8 to 6 bits, 1e-3 below. */
  lr?: number;
  /** In place of Adam, for a run of so many updates. */
  optimizer?: ((updates: number) => Optimizer) | undefined;
}

export interface QatReport {
  readonly epochs: readonly EpochReport[];
  readonly weightBits: number;
  readonly activationBits: number;
  /** Are the answers closer to the float network's than without learning? Else the weights are rounded to nearest, as they were. */
  readonly helped: boolean;
}

/** Samples on which that is told. */
const JUDGED_ON = 128;

const TARGET = 'float answers';

/**
 * The trained model on integers. Activations of fewer than 8 bits exist in simulation only: the file then rounds them to 8.
 *
 * Throws   what `fit` throws; data/port.
 */
export async function quantizeAware(
  model: Model,
  options: QatOptions,
  lab: Lab,
): Promise<{
  model: Model;
  calibrated: Calibrated;
  simulated: Model;
  report: QatReport;
  plan: Plan;
}> {
  const { data, samples = 300, epochs = 3, batch = 64, weightBits = 8, activationBits = 8 } = options;
  const { model: open, close } = openMaps(model);
  const ready = prepare(await settleWeights(inFloat32(open), lab));
  checkLayers(ready.graph, options.exclude);
  const named = asFed(ready, data);
  // Without VNNI sums may overflow: weights of 7 bits cannot, and training makes up for the lost one.
  const form = await kernelFormFor(lab.engine, options);
  const bits = weightBits === 8 && form.pairSafe ? 7 : weightBits;
  const settled = { ...options, weightBits, ...form };
  const chosen = chooseSamples(data, samples, lab.seed);
  const calibrated = await calibrate(ready, calibratorOf(options.calibrate), data, chosen, lab, {
    ...options,
    biasCorrect: false,
  });
  const { model: learner, learns, settle } = await simulate(calibrated, settled);
  const output = logitsOf(ready.graph);
  const targets = await predictAll(ready, named, output, { task: 'record float answers', batch }, lab);
  const lr = options.lr ?? (bits >= 6 ? 1e-4 : 1e-3);
  const { model: learnt, report } = await fit(
    learner,
    withTargets(named, targets),
    {
      epochs,
      batch,
      learns,
      loss: likeFloat(targets.dims),
      optimizer: options.optimizer ?? ((updates) => adam({ lr: cosine(lr, updates) })),
    },
    lab,
  );
  const taught = settle(learnt);
  const truth = await record(ready, named, chosen.subarray(0, JUDGED_ON), lab);
  const lossBy = async ({ calibrated: by, options: how }: typeof taught): Promise<number> =>
    lossOf(await against(truth, mixture(by, how, []).model, lab));
  const weights = await nearest.run({ calibrated, options: settled, data: named, samples: chosen }, lab);
  const untaught = { calibrated, options: { ...settled, weights, biasShifts: new Map() } };
  const helped = (await lossBy(taught)) <= (await lossBy(untaught));
  if (!helped)
    lab.onNote?.('learning brought the answers no closer to the float model: weights are rounded to nearest');
  const done = helped ? taught : untaught;
  const { plan, model: mixed } = mixture(done.calibrated, done.options, []);
  const tables = storeTables(mixed, readBy(mixed.graph, options.exclude));
  const written = withoutSpare(close(storedAsBefore(tables, open)));
  return {
    model: written,
    calibrated: done.calibrated,
    simulated: helped ? learnt : learner,
    plan,
    report: { epochs: report.epochs, weightBits: bits, activationBits, helped },
  };
}

/** KL divergence from the float network's logits [N, K], or squared error where the output is something else. */
const likeFloat =
  (dims: readonly number[]): Loss =>
  (g, { logits, column }) => {
    const target = column(TARGET, 'float32', dims);
    if (dims.length === 1 && dims[0]! > 1) {
      const p = g.LogSoftmax(target, { axis: 1 });
      const each = g.Mul(g.Exp(p), g.Sub(p, g.LogSoftmax(logits, { axis: 1 })));
      return g.Mul(g.ReduceSum(each, [0, 1], { keepdims: 0 }), 1 / logits.dims[0]!);
    }
    const difference = g.Sub(logits, target);
    return g.ReduceMean(
      g.Mul(difference, difference),
      logits.dims.map((_, i) => i),
      { keepdims: 0 },
    );
  };

/** The samples under the model's own input names; the same every epoch, as the recorded answers are. */
function asFed({ graph }: Model, { atEpoch: _, ...data }: Dataset): Dataset {
  const columns = columnsOf(graph, data);
  return {
    ...data,
    inputs: Object.fromEntries([...columns].map(([input, column]) => [input, pick(data.inputs, column, 'column')])),
    fill: (name, indices, into) => data.fill(columns.get(name) ?? name, indices, into),
  };
}

function withTargets(data: Dataset, { dims, values }: { dims: readonly number[]; values: Float32Array }): Dataset {
  const width = sizeOf(dims);
  return {
    ...data,
    inputs: { ...data.inputs, [TARGET]: { dtype: 'float32', dims } },
    fill(column: string, indices: ArrayLike<number>, into: TypedArray): void {
      if (column !== TARGET) {
        data.fill(column, indices, into);
        return;
      }
      const target = into as Float32Array;
      for (let i = 0; i < indices.length; i++) {
        target.set(values.subarray(indices[i]! * width, (indices[i]! + 1) * width), i * width);
      }
    },
  };
}
