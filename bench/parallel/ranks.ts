/**
 * The CNN on 28 × 28 pictures, trained alone or as one rank of an MPI job, one thread a rank: losses, time of a step and of its
 * all-reduce, and what the plan predicts for two ranks. `mpirun -n 2 node dist/bench/parallel/ranks.js [--steps 30] [--json]`
 */

import { parseArgs } from 'node:util';
import { random } from '../../src/base/random.ts';
import { inMemory } from '../../src/data/dataset.ts';
import { sizeOf } from '../../src/graph/tensor.ts';
import { fitParallel } from '../../src/parallel/fit.ts';
import { asRank } from '../../src/parallel/join.ts';
import { openEngine, quantile } from '../../src/runtime/index.ts';
import { sgd } from '../../src/train/index.ts';
import { workloads } from '../training/workload.ts';

const { values } = parseArgs({
  options: { steps: { type: 'string', default: '30' }, json: { type: 'boolean', default: false } },
});
const steps = Number(values.steps);
const { model, input, classes, batch } = workloads.find(({ name }) => name === 'W3')!;

await asRank(async (collective) => {
  using engine = await openEngine({ threads: 1 });
  const source = random(1, 'ranks');
  const size = steps * batch;
  const data = inMemory({
    name: 'noise',
    inputs: {
      x: {
        dtype: 'float32',
        dims: [...input],
        data: Float32Array.from({ length: size * sizeOf(input) }, () => source.uniform()),
      },
    },
    labels: { dtype: 'int64', dims: [], data: Int32Array.from({ length: size }, () => source.integer(classes)) },
  });
  const losses: number[] = [];
  const times: number[] = [];
  let before = performance.now();
  const step = (_: number, loss: number): void => {
    losses.push(loss);
    times.push(performance.now() - before);
    before = performance.now();
  };
  const net = model();
  await fitParallel(
    net,
    data,
    { epochs: 1, batch, optimizer: sgd({ lr: 0.01 }), logs: [{ step }], collective },
    { engine },
  );
  const weights = [...net.graph.initializers.values()].reduce((sum, { dims }) => sum + sizeOf(dims), 0);
  const message = new Float32Array(weights);
  const reduces: number[] = [];
  for (let i = 0; i < 7; i++) {
    const begun = performance.now();
    await collective.allReduce(message);
    reduces.push(performance.now() - begun);
  }
  if (collective.rank > 0) return;
  const result = {
    ranks: collective.size,
    msPerStep: quantile(times.slice(2), 0.5),
    allReduceMs: quantile(reduces, 0.5),
    losses,
  };
  console.log(
    values.json
      ? JSON.stringify(result)
      : `${result.ranks} ranks: ${result.msPerStep.toFixed(2)} ms a step, all-reduce ${result.allReduceMs.toFixed(2)} ms`,
  );
});
