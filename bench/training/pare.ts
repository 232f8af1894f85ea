/** Pare's side of bench/training, in a process of its own like every peer: one JSON line in, one out. */

import { createInterface } from 'node:readline';
import { random } from '../../src/base/random.ts';
import { floats, sizeOf } from '../../src/graph/tensor.ts';
import { openEngine } from '../../src/runtime/index.ts';
import { adam, createArena, crossEntropy } from '../../src/train/index.ts';
import { bindStep, type Program, stepGraph } from '../../src/train/program.ts';
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

/** One bound step and its optimiser on a random batch. */
async function prepare({ model, batch, input, classes }: Workload) {
  const step = stepGraph(model(), { loss: crossEntropy(), batch }, engine);
  const optimizer = adam({ lr: 1e-3 });
  const arena = createArena(step.parameters, { slots: optimizer.slots });
  for (const { name } of step.parameters) arena.view('w', name).set(floats(step.form.weights.get(name)!));
  const program: Program = await bindStep(step, arena, { engine });
  const source = random(1, 'bench');
  const x = Float32Array.from({ length: batch * sizeOf(input) }, () => source.uniform());
  const labels = BigInt64Array.from({ length: batch }, () => BigInt(source.integer(classes)));
  for (const feeds of program.feeds) {
    (feeds['x'] as Float32Array).set(x);
    (feeds['labels'] as BigInt64Array).set(labels);
  }
  const running = optimizer.start(arena);
  let n = 0;
  return async (count: number): Promise<{ ms: number; loss: number }> => {
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
    return { ms: (performance.now() - started) / count, loss: program.loss() };
  };
}
