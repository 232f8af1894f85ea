/** Gradient descent on the block error: the single layer learns what its run gave on samples, activation included. */

import { bind, type Dataset, inMemory, portsOf, split, take } from '../../data/index.ts';
import type { Model } from '../../graph/model.ts';
import { float32, floats, sizeOf } from '../../graph/tensor.ts';
import { draft } from '../../ops/builder.ts';
import { modelOf } from '../../ops/model-of.ts';
import type { Value } from '../../ops/op.ts';
import type { Lab } from '../../runtime/index.ts';
import { cosine, fit, lamb, meanSquaredError, predictAll, scoreModel } from '../../train/index.ts';
import type { Piece, Weight } from './place.ts';
import type { Single } from './shape.ts';

export interface BlockTraining {
  /** Passes over the recorded samples. Default 10. */
  readonly epochs?: number | undefined;
  /** Peak learning rate (LAMB, cosine), as a share of each weight's length. Default 3e-3. */
  readonly lr?: number | undefined;
  /** Samples to record. Default 2048, or as many as make 128 MB of each end of the run. */
  readonly samples?: number | undefined;
}

const SAMPLES = 2048;
const FEWEST = 32;
const BYTES = 2 ** 27;

/** Samples whose recorded values fit in memory at either end of the run. */
function samplesThatFit({ input, output }: Single): number {
  const bytes = 4 * Math.max(sizeOf(input), sizeOf(output));
  return Math.max(FEWEST, Math.min(SAMPLES, Math.floor(BYTES / bytes)));
}

/** The pieces with better weights, and R² of the run's outputs before and after on samples kept apart. */
export async function trainBlock(
  single: Single,
  pieces: readonly Piece[],
  current: Model,
  original: Model,
  data: Dataset,
  { epochs = 10, lr = 3e-3, samples = samplesThatFit(single) }: BlockTraining,
  lab: Lab,
): Promise<{ pieces: readonly Piece[]; before: number; after: number }> {
  const few = take(bind(data, portsOf(current.graph)), samples);
  const x = await predictAll(current, few, single.run.from, { task: 'record block' }, lab);
  const y = await predictAll(original, few, single.run.to, { task: 'record block' }, lab);
  const recorded = inMemory({
    name: `${single.run.from} → ${single.run.to}`,
    inputs: { x: { dtype: 'float32', dims: x.dims, data: x.values } },
    labels: { dtype: 'float32', dims: y.dims, data: y.values },
    task: 'regression',
  });
  const { train, validation } = split(recorded, { validation: 0.2, seed: lab.seed ?? 0 });
  const layer = blockModel(single, pieces, x.dims);
  const before = await scoreModel(layer, validation!, lab);
  const { model } = await fit(
    layer,
    train,
    {
      epochs,
      batch: Math.min(32, train.size),
      loss: meanSquaredError(),
      optimizer: (steps) => lamb({ lr: cosine(lr, steps) }),
      validation: validation!,
    },
    lab,
  );
  const after = await scoreModel(model, validation!, lab);
  if (!(after > before)) return { pieces, before, after: before };
  const learnt = (weight: Weight): Weight => ({
    ...weight,
    data: floats(model.graph.initializers.get(weight.name)!),
  });
  return { pieces: pieces.map((piece) => ({ ...piece, weights: piece.weights.map(learnt) })), before, after };
}

/** The layer alone, with the activation behind it. */
function blockModel({ tail: { activation } }: Single, pieces: readonly Piece[], dims: readonly number[]): Model {
  const { g, finish } = draft<Value>();
  let y: Value = g.input('x', 'float32', ['N', ...dims]);
  for (const { op, weights, attrs } of pieces) {
    y = g.emit(
      op,
      [y, ...weights.map((weight) => g.constant(float32(weight.dims, weight.data), weight.name))],
      attrs,
    )[0]!;
  }
  if (activation) {
    const attrs = Object.fromEntries(
      Object.entries(activation.attrs).map(([key, { value }]) => [key, value as number]),
    );
    y = g.emit(activation.op, [y], attrs)[0]!;
  }
  return modelOf({ finish }, y);
}
