/**
 * How many replicas work a training step out fastest in one process.
 *
 * Threads that share each product wait for each other after every one; replicas meet once a step. But each replica reads all weights and
 * writes slopes of its own, so they pay where every weight is multiplied with much: convolutions over large maps, sequences.
 *
 *   replicas = threads, where  batch · macs ≥ LEAST_MACS  and  batch · macs / weights ≥ LEAST_REUSE,  else 1
 */

import { costOf } from '../cost/cost.ts';
import { type Dataset, LABELS } from '../data/dataset.ts';
import { removeDead } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { elements, sizeOf, zeros } from '../graph/tensor.ts';
import type { Lab } from '../runtime/index.ts';
import { batchFor } from '../train/batch-size.ts';
import { learningForm } from '../train/learning-form.ts';
import { lossFor } from '../train/loss/index.ts';
import type { Loss } from '../train/loss/loss.ts';
import { columnsOf, engineBytes, withLoss, withStatedOutputs } from '../train/program.ts';
import type { TrainerOptions } from '../train/trainer.ts';

/** Multiply-accumulates of a batch below which handing work to threads costs more than it saves. */
const LEAST_MACS = 64e6;
/** Multiply-accumulates of a batch for each weight. Measured: 0.88 to 0.95 of the time above 700 (0.54 to 0.60 on a busy machine), 0.95 to 1.6 below 130. */
const LEAST_REUSE = 512;
/** Samples of a replica: fewer do not fill the engine's vectors. */
const LEAST_SAMPLES = 8;
/** Runs that a process can have in flight, unless it was started with more. */
const POOL = 4;
/** Losses that differ by less are the same, rounded otherwise. */
const SAME = 1e-4;

/**
 * As many replicas as threads, or 1: where they do not pay, where a layer keeps statistics of its batch, and where the loss of a batch is
 * not the mean over its parts (asked of the engine, on samples that lie far apart). The same answer whenever there are as many threads.
 */
export async function replicasFor(
  model: Model,
  data: Dataset,
  options: Pick<TrainerOptions, 'batch' | 'loss'>,
  lab: Lab,
): Promise<number> {
  const { batch } = await batchFor(model, data, options, lab);
  const { engine } = lab;
  const threads = lab.threads ?? engine.threads;
  const pool = Number(process.env['UV_THREADPOOL_SIZE'] ?? POOL);
  if (engine.name !== 'native' || engine.device !== 'cpu' || threads < 2 || threads > pool) return 1;
  if (batch % threads !== 0 || batch / threads < LEAST_SAMPLES) return 1;
  const form = learningForm(model, { batch, samples: samplesOf(data) });
  const { macs } = costOf(form.graph);
  const weights = [...form.weights.values()].reduce((sum, { dims }) => sum + sizeOf(dims), 0);
  if (form.state.size > 0 || macs < LEAST_MACS || macs / weights < LEAST_REUSE) return 1;

  const loss = options.loss ?? lossFor(data.task);
  const rows = spread(data, batch);
  const part = batch / threads;
  const parts = Array.from({ length: threads }, (_, i) => rows.subarray(i * part, (i + 1) * part));
  await data.prepare?.(rows);
  const [whole] = await losses(model, data, [rows], loss, lab);
  const each = await losses(model, data, parts, loss, lab);
  const mean = each.reduce((sum, x) => sum + x, 0) / threads;
  return Math.abs(mean - whole!) <= SAME * Math.abs(whole!) ? threads : 1;
}

const samplesOf = ({ inputs }: Dataset): Record<string, readonly number[]> =>
  Object.fromEntries(Object.entries(inputs).map(([name, { dims }]) => [name, dims]));

/** A batch from all over the set, ordered by label: where classes weigh differently, so do its parts. */
function spread(data: Dataset, batch: number): Int32Array {
  const rows = Int32Array.from({ length: batch }, (_, i) => Math.floor((i * data.size) / batch));
  if (!data.labels) return rows;
  const size = sizeOf(data.labels.dims);
  const labels = elements(zeros(data.labels.dtype, [batch, ...data.labels.dims]));
  data.fill(LABELS, rows, labels);
  const order = Array.from(rows, (_, i) => i).sort((a, b) => Number(labels[a * size]) - Number(labels[b * size]));
  return Int32Array.from(order, (i) => rows[i]!);
}

/** The losses of some batches of one size, nothing learning. */
async function losses(
  model: Model,
  data: Dataset,
  lists: readonly Int32Array[],
  loss: Loss,
  lab: Lab,
): Promise<number[]> {
  const batch = lists[0]!.length;
  const form = learningForm(model, { batch, samples: samplesOf(data), learning: false });
  const { graph: behind, lossName } = withLoss(form.graph, loss, batch);
  const graph = withStatedOutputs(removeDead({ ...behind, outputs: [{ name: lossName }] }));
  using session = await lab.engine.load(engineBytes(graph), { optimize: 'none' });
  const ports = new Set(session.inputs.map(({ name }) => name));
  const weights = Object.fromEntries([...form.weights].filter(([name]) => ports.has(name)));
  const columns = Object.fromEntries(
    [...columnsOf(graph, form)].map(([name, { dtype, dims }]) => [name, zeros(dtype, dims)]),
  );
  const told: number[] = [];
  for (const list of lists) {
    for (const [name, t] of Object.entries(columns)) data.fill(name, list, elements(t));
    const answer = await session.run({ ...weights, ...columns });
    told.push(Number(elements(answer[lossName]!)[0]));
  }
  return told;
}
