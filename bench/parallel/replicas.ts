/** One workload trained by some replicas of some threads each: slopes and one Adam update. */

import { random } from '../../src/base/random.ts';
import { type Dataset, inMemory } from '../../src/data/dataset.ts';
import { sizeOf } from '../../src/graph/tensor.ts';
import { alone } from '../../src/parallel/alone.ts';
import type { Collective } from '../../src/parallel/collective.ts';
import { createCrew } from '../../src/parallel/crew.ts';
import type { Engine } from '../../src/runtime/index.ts';
import { adam, crossEntropy } from '../../src/train/index.ts';
import type { Workload } from '../training/workload.ts';

export interface Runner {
  /** Runs so many steps and gives milliseconds per step. */
  step(count: number): Promise<number>;
  end(): void;
}

/** One batch of noise. */
function batchOf({ batch, input, classes }: Workload): Dataset {
  const source = random(1, 'bench');
  return inMemory({
    name: 'noise',
    inputs: {
      x: {
        dtype: 'float32',
        dims: [...input],
        data: Float32Array.from({ length: batch * sizeOf(input) }, () => source.uniform()),
      },
    },
    labels: { dtype: 'int64', dims: [], data: Int32Array.from({ length: batch }, () => source.integer(classes)) },
  });
}

/** `threads` of each replica; the batch is that of the workload, shared by all. */
export async function replicaRunner(
  workload: Workload,
  engine: Engine,
  {
    replicas,
    threads,
    collective = alone(),
    syncNorm = false,
  }: { replicas: number; threads: number; collective?: Collective; syncNorm?: boolean },
): Promise<Runner> {
  const { batch } = workload;
  const crew = await createCrew(
    workload.model(),
    { batch, replicas, collective, syncNorm, loss: crossEntropy(), optimizer: adam({ lr: 1e-3 }) },
    { engine, threads: threads * replicas },
  );
  const data = batchOf(workload);
  const all = Int32Array.from({ length: batch }, (_, i) => i);
  crew.fill(data, all, 0);
  crew.fill(data, all, 1);
  const running = crew.optimizer.start(crew.arena);
  let n = 0;
  return {
    async step(count) {
      const started = performance.now();
      for (let i = 0; i < count; i++) {
        crew.setStep(++n);
        await crew.run((n % 2) as 0 | 1);
        crew.flow();
        running.step();
        if (!Number.isFinite(crew.loss())) throw new Error('the loss diverged');
      }
      return (performance.now() - started) / count;
    },
    end: () => crew[Symbol.dispose](),
  };
}
