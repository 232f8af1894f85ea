/** Scores a model whose weights still move: they are read where the optimiser writes them. */

import { batches } from '../data/batches.ts';
import { type Dataset, LABELS } from '../data/dataset.ts';
import { removeDead } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { elements, sizeOf, type Tensor, zeros } from '../graph/tensor.ts';
import { answerOf } from '../nn/logits.ts';
import { infer } from '../ops/infer.ts';
import { lower } from '../rewrite/lower/lower.ts';
import { type Lab, stopIfAborted } from '../runtime/index.ts';
import { learningForm } from './learning-form.ts';
import type { Metric } from './metric/metric.ts';
import { poolFirst } from './pool-first.ts';
import { columnsOf, engineBytes, withStatedOutputs } from './program.ts';
import { fixedBatch } from './task.ts';

export interface Scorer extends Disposable {
  /** The metric over the whole data set, with the weights as they are now. */
  run(): Promise<number>;
}

/** Samples per scoring run. */
const BATCH = 256;

/**
 * A scorer of `model` on `data` whose weights are the tensors in `weights` (memory, not values).
 *
 * A last batch that is not full is filled up with the first samples, which then do not count.
 */
export async function scorer(
  model: Model,
  data: Dataset,
  weights: ReadonlyMap<string, Tensor>,
  { metric, batch = fixedBatch(model) ?? Math.min(BATCH, data.size) }: { metric: Metric; batch?: number },
  lab: Lab,
): Promise<Scorer> {
  const samples = Object.fromEntries(Object.entries(data.inputs).map(([name, { dims }]) => [name, dims]));
  const form = learningForm(model, { batch, samples, learning: false });
  const output = answerOf(form.graph);
  const graph = withStatedOutputs(
    lower(poolFirst(removeDead({ ...form.graph, outputs: [{ name: output }] })), lab.engine.blockSize),
  );
  const session = await lab.engine.load(engineBytes(graph), {
    optimize: 'none',
    ...(lab.threads && { threads: lab.threads }),
  });
  const ports = new Set(session.inputs.map(({ name }) => name));
  const feeds = Object.fromEntries(
    [...columnsOf(graph, form)].map(([name, { dtype, dims }]) => [name, zeros(dtype, dims)]),
  );
  const dims = infer(graph).get(output)!.dims as readonly number[];
  const result = zeros('float32', dims);
  const read = Object.fromEntries(
    [...form.weights].flatMap(([name, t]) => (ports.has(name) ? [[name, weights.get(name) ?? t]] : [])),
  );
  const binding = session.bind({ ...read, ...feeds }, { [output]: result });
  const labelSize = data.labels ? sizeOf(data.labels.dims) : 1;
  const labels =
    data.task === 'regression' ? new Float32Array(batch * labelSize) : new BigInt64Array(batch * labelSize);

  return {
    async run() {
      const count = metric.start();
      for (const list of batches(data.size, { batch, shuffle: false })) {
        stopIfAborted(lab.signal);
        const full =
          list.length === batch ? list : Int32Array.from({ length: batch }, (_, i) => list[i] ?? i % data.size);
        await data.prepare?.(full);
        for (const [name, t] of Object.entries(feeds)) data.fill(name, full, elements(t));
        data.fill(LABELS, full, labels);
        await binding.run();
        count.see(elements(result) as Float32Array, labels, list.length, sizeOf(dims.slice(1)));
      }
      return count.value();
    },
    [Symbol.dispose]: () => {
      binding[Symbol.dispose]();
      session[Symbol.dispose]();
    },
  };
}
