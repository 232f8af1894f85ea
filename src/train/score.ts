/** Scores a model whose weights still move: they are read where the optimiser writes them. */

import { batches } from '../data/batches.ts';
import { type Dataset, LABELS } from '../data/dataset.ts';
import { fixedBatch } from '../data/port.ts';
import { removeDead } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { elements, sizeOf, type Tensor, zeros } from '../graph/tensor.ts';
import { answerOf } from '../nn/logits.ts';
import { infer } from '../ops/infer.ts';
import { inOrder, type Lab, lanesOf, stopIfAborted } from '../runtime/index.ts';
import { learningForm } from './learning-form.ts';
import type { Metric } from './metric/metric.ts';
import { poolFirst } from './pool-first.ts';
import { columnsOf, engineForm, type Load, loadGraph, withStatedOutputs } from './program.ts';

export interface Scorer extends Disposable {
  /** The metric over the whole data set, with the weights as they are now. */
  run(): Promise<number>;
}

export interface ScoreOptions {
  readonly metric: Metric;
  /** Samples per run. Default: `scoringBatch`. */
  readonly batch?: number;
}

/** Samples per scoring run. */
const BATCH = 256;

/** What the model insists on, or what is comfortable. */
export const scoringBatch = (model: Model, data: Dataset): number =>
  fixedBatch(model.graph) ?? Math.min(BATCH, data.size);

/** Memory for the labels of a batch, as metrics read them. */
export function labelMemory(data: Dataset, batch: number): Float32Array | BigInt64Array {
  const length = batch * (data.labels ? sizeOf(data.labels.dims) : 1);
  return data.task === 'regression' ? new Float32Array(length) : new BigInt64Array(length);
}

/** The data in order: the samples of each batch, and as many of the first behind them as fill it up. */
export function* fullBatches(data: Dataset, batch: number): Generator<{ list: Int32Array; full: Int32Array }> {
  for (const list of batches(data.size, { batch, shuffle: false })) {
    const isFull = list.length === batch;
    yield { list, full: isFull ? list : Int32Array.from({ length: batch }, (_, i) => list[i] ?? i % data.size) };
  }
}

/**
 * A scorer of `model` on `data` whose weights are the tensors in `weights` (memory, not values).
 *
 * A last batch that is not full is filled up with the first samples, which then do not count.
 */
export async function scorer(
  model: Model,
  data: Dataset,
  weights: ReadonlyMap<string, Tensor>,
  { metric, batch = scoringBatch(model, data), load = loadGraph }: ScoreOptions & { load?: Load },
  lab: Lab,
): Promise<Scorer> {
  const samples = Object.fromEntries(Object.entries(data.inputs).map(([name, { dims }]) => [name, dims]));
  const form = learningForm(model, { batch, samples, learning: false });
  const output = answerOf(form.graph);
  const forward = poolFirst(removeDead({ ...form.graph, outputs: [{ name: output }] }));
  const graph = withStatedOutputs(engineForm(forward, lab.engine));
  // A graph that ranks share is worked out by one copy: its sums meet in one order.
  const { hands, threads } = load === loadGraph ? lanesOf(lab) : { hands: { lanes: 1 }, threads: lab.threads };
  const session = await load(graph, { ...lab, ...(threads && { threads }) });
  const ports = new Set(session.inputs.map(({ name }) => name));
  const columns = [...columnsOf(graph, form)];
  const dims = infer(graph).get(output)!.dims as readonly number[];
  const read = Object.fromEntries(
    [...form.weights].flatMap(([name, t]) => (ports.has(name) ? [[name, weights.get(name) ?? t]] : [])),
  );
  const each = Array.from({ length: hands.lanes }, () => {
    const feeds = Object.fromEntries(columns.map(([name, { dtype, dims: size }]) => [name, zeros(dtype, size)]));
    const result = zeros('float32', dims);
    const binding = session.bind({ ...read, ...feeds }, { [output]: result });
    return { feeds, result, binding, labels: labelMemory(data, batch) };
  });

  return {
    async run() {
      const count = metric.start();
      const runs = inOrder(fullBatches(data, batch), hands, {
        ahead: ({ full }) => data.prepare?.(full),
        ready({ full }, lane) {
          stopIfAborted(lab.signal);
          for (const [name, t] of Object.entries(each[lane]!.feeds)) data.fill(name, full, elements(t));
          data.fill(LABELS, full, each[lane]!.labels);
        },
        async work({ list }, lane) {
          const { binding, result, labels } = each[lane]!;
          await binding.run();
          return { list, result, labels };
        },
      });
      for await (const { list, result, labels } of runs)
        count.see(elements(result) as Float32Array, labels, list.length, sizeOf(dims.slice(1)));
      return count.value();
    },
    [Symbol.dispose]: () => {
      for (const { binding } of each) binding[Symbol.dispose]();
      session[Symbol.dispose]();
    },
  };
}
