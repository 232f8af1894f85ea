/** Which of several forms of a model is the fastest here: measured in turn, on one thread. */

import { random } from '../base/random.ts';
import { isStatic } from '../graph/dim.ts';
import { feedsOf, type Model, tensorType } from '../graph/model.ts';
import { elements, type Tensor, zeros } from '../graph/tensor.ts';
import { type Lab, measure } from '../runtime/index.ts';
import { loadModel } from '../runtime/load-model.ts';

/** Time of each model over the first one's: geometric mean over the batch sizes, medians of interleaved rounds. */
export async function relativeLatency(
  models: readonly Model[],
  lab: Lab,
  { batches = [1, 32], rounds = 9 } = {},
): Promise<number[]> {
  const logs = models.map(() => 0);
  for (const batch of batches) {
    const held: Disposable[] = [];
    try {
      const cases = [];
      for (const [i, model] of models.entries()) {
        const session = await loadModel(lab.engine, model, { threads: 1 });
        held.push(session);
        const feeds = feedsFor(model, batch, lab.seed ?? 0);
        const binding = session.bind(feeds, await session.run(feeds));
        held.push(binding);
        cases.push({ name: `${i}`, run: () => (binding.runSync ? binding.runSync() : binding.run()) });
      }
      const results = await measure(cases, { rounds, warmup: 2, ...(lab.signal && { signal: lab.signal }) });
      results.forEach(({ ratio }, i) => {
        logs[i]! += Math.log(ratio) / batches.length;
      });
    } finally {
      for (const item of held.reverse()) item[Symbol.dispose]();
    }
  }
  return logs.map(Math.exp);
}

function feedsFor(model: Model, batch: number, seed: number): Record<string, Tensor> {
  const source = random(seed, 'latency');
  return Object.fromEntries(
    feedsOf(model.graph).flatMap((info) => {
      const type = tensorType(info);
      const dims = type?.dims?.map((dim, axis) => (typeof dim === 'number' ? dim : axis === 0 ? batch : 1));
      if (!type || !isStatic(dims)) return [];
      const made = zeros(type.dtype, dims);
      if (type.dtype === 'float32') {
        const values = elements(made) as Float32Array;
        for (let i = 0; i < values.length; i++) values[i] = source.uniform();
      }
      return [[info.name, made] as const];
    }),
  );
}
