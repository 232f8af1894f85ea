/** A model's answers on a data set, batch by batch. */

import { batches } from '../data/batches.ts';
import { batchDims, type Dataset } from '../data/dataset.ts';
import { feedsOf, type Model, tensorType, type ValueInfo } from '../graph/model.ts';
import { elements, floats, numbers, sizeOf, type Tensor, zeros } from '../graph/tensor.ts';
import { inOrder, type Lab, lanesOf, stopIfAborted } from '../runtime/index.ts';
import { loadModel } from '../runtime/load-model.ts';

export interface PredictOptions {
  /** Values to fetch. Default: the model's outputs. */
  readonly outputs?: readonly string[];
  /** Samples per run, unless the model is made for another number. Default 128. */
  readonly batch?: number;
  /** Told in the progress. Default "predict". */
  readonly task?: string;
}

/** One run's answers: `count` of them are samples' own, the rest fills the batch up. */
export interface Answers {
  readonly indices: Int32Array;
  readonly count: number;
  readonly values: Readonly<Record<string, Tensor>>;
}

/**
 * Runs a model over a data set in order. Samples are read under the names of the model's inputs.
 * A last batch that is not full is filled up with the first samples.
 */
export async function* predict(
  model: Model,
  data: Dataset,
  options: PredictOptions,
  lab: Lab,
): AsyncGenerator<Answers> {
  const { outputs, task = 'predict' } = options;
  const feeds = feedsOf(model.graph);
  const fixed = tensorType(feeds[0])?.dims?.[0];
  const batch = typeof fixed === 'number' ? fixed : Math.min(options.batch ?? 128, data.size);
  const named = outputs ? withOutputs(model, outputs) : model;
  const { hands, threads } = lanesOf(lab);
  using session = await loadModel(lab.engine, named, threads ? { threads } : {});
  const memories = Array.from({ length: hands.lanes }, () => memoryFor(feeds, data, batch));
  const lists = [...batches(data.size, { batch, shuffle: false })].map((list) => ({
    count: list.length,
    indices: list.length === batch ? list : Int32Array.from({ length: batch }, (_, i) => list[i] ?? i % data.size),
  }));
  let done = 0;
  const answers = inOrder(lists, hands, {
    ahead: ({ indices }) => data.prepare?.(indices),
    ready({ indices }, lane) {
      stopIfAborted(lab.signal);
      for (const [name, tensor] of Object.entries(memories[lane]!)) data.fill(name, indices, elements(tensor));
    },
    work: async (list, lane) => ({ ...list, values: await session.run(memories[lane]!, outputs, lab.signal) }),
  });
  for await (const answer of answers) {
    yield answer;
    done += answer.count;
    lab.onProgress?.({ task, done, total: data.size });
  }
}

/** A batch's memory, by input. */
function memoryFor(feeds: readonly ValueInfo[], data: Dataset, batch: number): Record<string, Tensor> {
  const memory: Record<string, Tensor> = {};
  for (const info of feeds) {
    const column = data.inputs[info.name];
    const type = tensorType(info);
    if (column && type) memory[info.name] = zeros(type.dtype, batchDims(column, batch));
  }
  return memory;
}

/** The model with other values as its outputs; their types are left for the engine to tell. */
export function withOutputs(model: Model, names: readonly string[]): Model {
  const known = new Map([...model.graph.outputs, ...model.graph.values.values()].map((info) => [info.name, info]));
  return { ...model, graph: { ...model.graph, outputs: names.map((name) => known.get(name) ?? { name }) } };
}

/** What a model answers to a whole data set: [N, ...dims]. */
export interface Answered {
  readonly dims: readonly number[];
  readonly values: Float32Array;
}

/** All answers of one float output in one array. */
export async function predictAll(
  model: Model,
  data: Dataset,
  output: string,
  options: Omit<PredictOptions, 'outputs'>,
  lab: Lab,
): Promise<Answered> {
  const all = await predictEach(model, data, [output], options, lab, () => true);
  return all.get(output)!;
}

/** All answers of several outputs, from the same runs; those are left out whose first axis does not count samples. */
export async function predictEach(
  model: Model,
  data: Dataset,
  outputs: readonly string[],
  options: Omit<PredictOptions, 'outputs'>,
  lab: Lab,
  counts: (tensor: Tensor, samples: number) => boolean = ({ dims }, samples) => dims[0] === samples,
): Promise<Map<string, Answered>> {
  const all = new Map<string, { dims: readonly number[]; values: Float32Array }>();
  const left = new Set(outputs);
  let at = 0;
  for await (const { indices, count, values } of predict(model, data, { ...options, outputs }, lab)) {
    for (const output of left) {
      const tensor = values[output]!;
      if (!counts(tensor, indices.length)) {
        left.delete(output);
        all.delete(output);
        continue;
      }
      const dims = tensor.dims.slice(1);
      const width = sizeOf(dims);
      const known = all.get(output) ?? { dims, values: new Float32Array(data.size * width) };
      const read = tensor.dtype === 'float32' ? floats(tensor) : Float32Array.from(numbers(tensor));
      known.values.set(read.subarray(0, count * width), at * width);
      all.set(output, { ...known, dims });
    }
    at += count;
  }
  return all;
}
