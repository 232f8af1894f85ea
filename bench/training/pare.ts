/** Pare's own side of a workload: one bound step and its optimiser. */

import { random } from '../../src/base/random.ts';
import { floats, sizeOf } from '../../src/graph/tensor.ts';
import type { Engine } from '../../src/runtime/index.ts';
import { adam, createArena, crossEntropy } from '../../src/train/index.ts';
import { bindStep, stepGraph } from '../../src/train/program.ts';
import type { Workload } from './workload.ts';

export interface Contender {
  readonly name: string;
  /** Runs so many steps and gives milliseconds per step. */
  step(count: number): Promise<number>;
  end(): void;
}

export async function pareContender(workload: Workload, engine: Engine): Promise<Contender> {
  const { batch, input, classes } = workload;
  const step = stepGraph(workload.model(), { loss: crossEntropy(), batch }, engine);
  const optimizer = adam({ lr: 1e-3 });
  const arena = createArena(step.parameters, { slots: optimizer.slots });
  for (const { name } of step.parameters) arena.view('w', name).set(floats(step.form.weights.get(name)!));
  const program = await bindStep(step, arena, { engine });
  const source = random(1, 'bench');
  for (const feeds of program.feeds) {
    const x = feeds['x'] as Float32Array;
    for (let i = 0; i < batch * sizeOf(input); i++) x[i] = source.uniform();
    const labels = feeds['labels'] as BigInt64Array;
    for (let i = 0; i < batch; i++) labels[i] = BigInt(source.integer(classes));
  }
  const running = optimizer.start(arena);
  let n = 0;
  return {
    name: 'pare',
    async step(count) {
      const started = performance.now();
      for (let i = 0; i < count; i++) {
        program.setStep(n);
        const run = program.runs[(n++ % 2) as 0 | 1];
        if (run.runSync) run.runSync();
        else await run.run();
        program.flow();
        running.step();
        if (!Number.isFinite(program.loss())) throw new Error('the loss diverged');
      }
      return (performance.now() - started) / count;
    },
    end: () => program[Symbol.dispose](),
  };
}
