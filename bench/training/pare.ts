/** Pare's side of bench/training, in a process of its own like every peer: one JSON line in, one out. */

import { createInterface } from 'node:readline';
import { random } from '../../src/base/random.ts';
import { inMemory } from '../../src/data/dataset.ts';
import { sizeOf } from '../../src/graph/tensor.ts';
import { alone } from '../../src/parallel/alone.ts';
import { createCrew } from '../../src/parallel/crew.ts';
import { replicasFor } from '../../src/parallel/replicas-for.ts';
import { openEngine } from '../../src/runtime/index.ts';
import { adam, crossEntropy } from '../../src/train/index.ts';
import { type Workload, workloads } from './workload.ts';

const threads = Number(process.argv[2]);
const engine = await openEngine({ threads });
const say = (answer: unknown): void => console.log(JSON.stringify(answer));
say({ ready: true, version: `0.1.0, ONNX Runtime ${engine.version}, Node ${process.version}` });

let steps: ((count: number) => Promise<{ ms: number; loss: number }>) | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  const ask = JSON.parse(line) as { do: string; name: string; count: number };
  if (ask.do === 'load') {
    steps = await prepare(workloads.find(({ name }) => name === ask.name)!);
    say({ ok: true });
  } else if (ask.do === 'step') say(await steps!(ask.count));
  else say({ peakMb: process.resourceUsage().maxRSS / 1024 });
}
engine[Symbol.dispose]();

/** A step as `fit` takes it, with as many replicas as it would, on a random batch. */
async function prepare({ model, batch, input, classes }: Workload) {
  const source = random(1, 'bench');
  const data = inMemory({
    name: 'bench',
    inputs: {
      x: {
        dtype: 'float32',
        dims: input,
        data: Float32Array.from({ length: batch * sizeOf(input) }, () => source.uniform()),
      },
    },
    labels: { dtype: 'int64', dims: [], data: Int32Array.from({ length: batch }, () => source.integer(classes)) },
  });
  const how = { loss: crossEntropy(), batch };
  const replicas = await replicasFor(model(), data, how, { engine });
  const collective = alone();
  const crew = await createCrew(model(), { ...how, replicas, collective, optimizer: adam({ lr: 1e-3 }) }, { engine });
  const rows = Int32Array.from({ length: batch }, (_, i) => i);
  for (const set of [0, 1] as const) crew.fill(data, rows, set);
  const running = crew.optimizer.start(crew.arena);
  let n = 0;
  return async (count: number): Promise<{ ms: number; loss: number }> => {
    const started = performance.now();
    for (let i = 0; i < count; i++) {
      crew.setStep(n);
      await crew.run((n++ % 2) as 0 | 1);
      await crew.join();
      crew.flow();
      running.step();
      if (!Number.isFinite(crew.loss())) throw new Error('the loss diverged');
    }
    return { ms: (performance.now() - started) / count, loss: crew.loss() };
  };
}
