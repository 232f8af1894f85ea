/** A model's answers on a data set, worked out by several replicas and ranks: the numbers of one, in the same order. */

import { batches } from '../data/batches.ts';
import { batchDims, type Dataset } from '../data/dataset.ts';
import { feedsOf, type Model, tensorType } from '../graph/model.ts';
import { elements, floats, sizeOf, type Tensor, zeros } from '../graph/tensor.ts';
import { type Lab, stopIfAborted } from '../runtime/index.ts';
import { loadModel } from '../runtime/load-model.ts';
import { withOutputs } from '../train/index.ts';
import { alone } from './alone.ts';
import type { Collective } from './collective.ts';

export interface PredictParallelOptions {
  /** Samples per run, unless the model is made for another number. Default 128. */
  readonly batch?: number;
  /** Runs at the same time in this process. Default 1. */
  readonly replicas?: number;
  /** The group that this process belongs to; each rank gets all answers. Default: none. */
  readonly collective?: Collective;
}

/**
 * All answers of one float32 output in one array [N, ...dims of a sample].
 *
 * The batches are those of `predictAll` with the same `batch`, dealt out in turn; one session serves all replicas of a
 * process, with the lab's threads split among them. With equal threads for each run, the numbers are equal bit by bit.
 * Throws   tensor/dtype for an output that is not float32; work/aborted.
 */
export async function predictParallel(
  model: Model,
  data: Dataset,
  output: string,
  options: PredictParallelOptions,
  lab: Lab,
): Promise<{ dims: readonly number[]; values: Float32Array }> {
  const { replicas = 1, collective = alone() } = options;
  const feeds = feedsOf(model.graph);
  const fixed = tensorType(feeds[0])?.dims?.[0];
  const batch = typeof fixed === 'number' ? fixed : Math.min(options.batch ?? 128, data.size);
  const threads = Math.max(1, Math.floor((lab.threads ?? lab.engine.threads) / replicas));
  using session = await loadModel(lab.engine, withOutputs(model, [output]), { threads });
  const lists = [...batches(data.size, { batch, shuffle: false })];
  const workers = replicas * collective.size;
  let dims: readonly number[] = [];
  let values: Float32Array | undefined;
  let done = 0;

  const work = async (worker: number): Promise<void> => {
    const memory: Record<string, Tensor> = {};
    for (const info of feeds) {
      const column = data.inputs[info.name];
      const type = tensorType(info);
      if (column && type) memory[info.name] = zeros(type.dtype, batchDims(column, batch));
    }
    for (let i = worker; i < lists.length; i += workers) {
      stopIfAborted(lab.signal);
      const list = lists[i]!;
      const full =
        list.length === batch ? list : Int32Array.from({ length: batch }, (_, j) => list[j] ?? j % data.size);
      for (const [name, t] of Object.entries(memory)) data.fill(name, full, elements(t));
      const answer = (await session.run(memory, [output], lab.signal))[output]!;
      dims = answer.dims.slice(1);
      const width = sizeOf(dims);
      values ??= new Float32Array(data.size * width);
      values.set(floats(answer).subarray(0, list.length * width), i * batch * width);
      done += list.length;
      if (collective.rank === 0)
        lab.onProgress?.({ task: 'predict', done: Math.min(done * collective.size, data.size), total: data.size });
    }
  };
  const ended = await Promise.allSettled(
    Array.from({ length: replicas }, (_, r) => work(collective.rank * replicas + r)),
  );
  for (const each of ended) if (each.status === 'rejected') throw each.reason;
  if (collective.size === 1) return { dims, values: values! };

  // A rank that had no batch does not know the shape yet. Every number comes from one rank, so a sum with zeros is exact.
  const shape = new Float32Array(SHAPE);
  if (collective.rank === 0) shape.set([dims.length, ...dims]);
  await collective.broadcast(shape);
  dims = [...shape.subarray(1, 1 + shape[0]!)];
  values ??= new Float32Array(data.size * sizeOf(dims));
  await collective.allReduce(values);
  return { dims, values };
}

/** Room for the rank of a tensor and its dimensions (exact up to 2^24 each). */
const SHAPE = 16;
