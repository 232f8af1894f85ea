/** How many samples a run has, and whether a model that was made for another number answers them as before. */

import { PareError } from '../base/error.ts';
import type { Dataset } from '../data/dataset.ts';
import { fixedBatch } from '../data/port.ts';
import { expand, OWN_DOMAIN } from '../grad/expand.ts';
import { removeDead } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { elements, floats, zeros } from '../graph/tensor.ts';
import { answerOf } from '../nn/logits.ts';
import { infer } from '../ops/infer.ts';
import type { Lab } from '../runtime/index.ts';
import { learningForm } from './learning-form.ts';
import { columnsOf, engineBytes, withStatedOutputs } from './program.ts';
import { madeFor } from './rebatch.ts';

/** Can the model's shapes follow another batch size? */
function follows(model: Model, batch: number, data: Dataset): boolean {
  try {
    learningForm(model, { batch, samples: samplesOf(data), learning: false });
    return true;
  } catch (thrown) {
    if (thrown instanceof PareError) return false;
    throw thrown;
  }
}

const samplesOf = ({ inputs }: Dataset): Record<string, readonly number[]> =>
  Object.fromEntries(Object.entries(inputs).map(([name, { dims }]) => [name, dims]));

/** Samples per update when nobody says. */
const BATCH = 64;

export interface BatchSize {
  /** Samples per run. */
  readonly batch: number;
  /** Runs whose mean gradient makes one update. */
  readonly accumulate: number;
}

/**
 * How an update is made: in runs of as many samples as asked (default 64, at most all there are). A model that was made for runs of another
 * size makes them so where its shapes can follow and the engine says that its answers are the same, else in several runs of its own size.
 *
 * Throws   train/batch when what is asked is no multiple of the only size that the model can run.
 */
export async function batchFor(
  model: Model,
  data: Dataset,
  { batch: asked, accumulate = 1 }: Partial<BatchSize>,
  lab: Lab,
): Promise<BatchSize> {
  const fixed = fixedBatch(model.graph);
  const batch = Math.min(asked ?? BATCH, data.size);
  if (fixed === undefined || fixed === batch) return { batch, accumulate };
  if (follows(model, batch, data) && (await answersAlike(model, data, batch, fixed, lab))) return { batch, accumulate };
  if (asked !== undefined && batch % fixed !== 0) throw madeFor('', fixed, batch);
  return { batch: fixed, accumulate: accumulate * Math.max(1, Math.floor(batch / fixed)) };
}

/** Answers that differ by less, against their size, are the same. */
const SAME = 1e-3;

async function answersAlike(model: Model, data: Dataset, batch: number, fixed: number, lab: Lab): Promise<boolean> {
  const rows = Int32Array.from({ length: Math.max(batch, fixed) }, (_, i) => i % Math.min(batch, data.size));
  await data.prepare?.(rows);
  const ours = await answers(model, data, rows.subarray(0, batch), lab);
  for (const at of new Set([0, Math.max(0, batch - fixed)])) {
    const theirs = await answers(model, data, rows.subarray(at, at + fixed), lab);
    const width = theirs.length / fixed;
    let [apart, length] = [0, 0];
    for (let i = 0; i < Math.min(batch, fixed) * width; i++) {
      apart += (ours[at * width + i]! - theirs[i]!) ** 2;
      length += theirs[i]! ** 2;
    }
    if (!(apart <= SAME ** 2 * length + Number.EPSILON)) return false;
  }
  return true;
}

async function answers(model: Model, data: Dataset, rows: Int32Array, lab: Lab): Promise<Float32Array> {
  const form = learningForm(model, { batch: rows.length, samples: samplesOf(data), learning: false });
  const output = answerOf(form.graph);
  const forward = removeDead({ ...form.graph, outputs: [{ name: output }] });
  const graph = withStatedOutputs(expand(forward, infer(forward), ({ domain }) => domain === OWN_DOMAIN));
  using session = await lab.engine.load(engineBytes(graph), { optimize: 'none' });
  const ports = new Set(session.inputs.map(({ name }) => name));
  const fed = Object.fromEntries(
    [...columnsOf(graph, form)].map(([name, { dtype, dims }]) => [name, zeros(dtype, dims)]),
  );
  for (const [name, t] of Object.entries(fed)) data.fill(name, rows, elements(t));
  const weights = Object.fromEntries([...form.weights].filter(([name]) => ports.has(name)));
  return floats((await session.run({ ...weights, ...fed }))[output]!);
}
