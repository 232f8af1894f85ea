/**
 * A workload trained alone, or by 2 and more ranks of an MPI job, one thread each, in every way: copies, pipeline, split layers. Losses, time
 * of the fastest step (what is left where other programs keep the machine busy), throughput, and what the plan predicts from one rank's own measurements and the link as measured between two ranks.
 *
 *   mpirun -n 2 node dist/bench/parallel/ranks.js [--workload W3] [--steps 30] [--slow] [--json]
 *
 * `--slow` tries what slow links are helped by, too: compressed gradients, and ranks that meet now and then. Their curves are others, by design.
 */

import { parseArgs } from 'node:util';
import { random } from '../../src/base/random.ts';
import { type Dataset, inMemory } from '../../src/data/dataset.ts';
import { sizeOf } from '../../src/graph/tensor.ts';
import type { Collective } from '../../src/parallel/collective.ts';
import { fp16, topK } from '../../src/parallel/compress/index.ts';
import { fitParallel, type ParallelOptions } from '../../src/parallel/fit.ts';
import { asRank } from '../../src/parallel/join.ts';
import { measurePlan } from '../../src/parallel/measure-plan.ts';
import { type LinkSpeed, type Plan, planParallel } from '../../src/parallel/plan.ts';
import { type Engine, openEngine, quantile } from '../../src/runtime/index.ts';
import { adam } from '../../src/train/index.ts';
import { type Workload, workloads } from '../training/workload.ts';

const { values } = parseArgs({
  options: {
    workload: { type: 'string', default: 'W3' },
    steps: { type: 'string', default: '30' },
    slow: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const steps = Number(values.steps);
const workload = workloads.find(({ name }) => name === values.workload)!;

interface Way {
  readonly name: string;
  readonly how: ParallelOptions;
  /** Is a plan's prediction for it? */
  readonly isIts?: (plan: Plan) => boolean;
}
const EVERY = 10;
const SLOW: readonly Way[] = [
  { name: 'fp16', how: { replicas: 1, compress: fp16() } },
  { name: 'topk:1%', how: { replicas: 1, compress: topK(0.01) } },
  { name: `meetings every ${EVERY}`, how: { replicas: 1, syncEvery: EVERY } },
];
const waysOf = (size: number): Way[] =>
  size === 1
    ? [{ name: 'alone', how: { replicas: 1 }, isIts: () => true }]
    : [
        { name: 'data', how: { replicas: 1 }, isIts: ({ replicas }) => replicas === size },
        { name: 'pipeline', how: { stages: size }, isIts: ({ stages }) => stages === size },
        { name: 'tensor', how: { tensor: size }, isIts: ({ tensor }) => tensor === size },
        ...(values.slow ? SLOW : []),
      ];

function noise({ batch, input, classes }: Workload): Dataset {
  const source = random(1, 'ranks');
  const size = steps * batch;
  const numbers = Float32Array.from({ length: size * sizeOf(input) }, () => source.uniform());
  return inMemory({
    name: 'noise',
    inputs: { x: { dtype: 'float32', dims: [...input], data: numbers } },
    labels: { dtype: 'int64', dims: [], data: Int32Array.from({ length: size }, () => source.integer(classes)) },
  });
}

async function train(way: Way, data: Dataset, collective: Collective, engine: Engine) {
  const losses: number[] = [];
  const times: number[] = [];
  let before = performance.now();
  const step = (_: number, loss: number): void => {
    losses.push(loss);
    times.push((performance.now() - before) / (way.how.syncEvery ?? 1));
    before = performance.now();
  };
  const options = { epochs: 1, batch: workload.batch, optimizer: adam({ lr: 1e-4 }), logs: [{ step }] };
  await fitParallel(workload.model(), data, { ...options, ...way.how, collective }, { engine });
  return { name: way.name, isExact: !SLOW.includes(way), losses, msPerStep: Math.min(...times.slice(2)) };
}

/** Half of a message there and back, short and long: latency, and what the bytes add. */
async function linkOf(collective: Collective): Promise<LinkSpeed> {
  const oneWay = async (length: number): Promise<number> => {
    const message = new Float32Array(length);
    const times: number[] = [];
    for (let i = 0; i < 9; i++) {
      await collective.barrier();
      const begun = performance.now();
      if (collective.rank === 0) {
        await collective.send(message, 1, 1);
        await collective.receive(message, 1, 1);
      } else if (collective.rank === 1) {
        await collective.receive(message, 0, 1);
        await collective.send(message, 0, 1);
      }
      times.push((performance.now() - begun) / 2);
    }
    return Math.min(...times);
  };
  const LONG = 2 ** 22;
  const [short, long] = [await oneWay(1), await oneWay(LONG)];
  return { latencyUs: short * 1000, gigabitsPerSecond: (32 * LONG) / (Math.max(long - short, 1e-3) * 1e6) };
}

await asRank(async (collective) => {
  using engine = await openEngine({ threads: 1 });
  const { rank, size } = collective;
  const data = noise(workload);
  const results = [];
  for (const way of waysOf(size)) results.push(await train(way, data, collective, engine));
  const link = size > 1 ? await linkOf(collective) : {};
  const message = new Float32Array(
    [...workload.model().graph.initializers.values()].reduce((sum, { dims }) => sum + sizeOf(dims), 0),
  );
  const reduces: number[] = [];
  for (let i = 0; i < 7; i++) {
    const begun = performance.now();
    await collective.allReduce(message);
    reduces.push(performance.now() - begun);
  }
  // All ranks measure at the same time: cores and memory that they share are shared while they train, too.
  await collective.barrier();
  const measured = await measurePlan(workload.model(), { batch: workload.batch, rounds: 9 }, { engine });
  await collective.barrier();
  if (rank > 0) return;
  const plans = planParallel({ ...measured, link }, size);
  const ways = results.map((result, i) => {
    const { isIts } = waysOf(size)[i]!;
    const plan = isIts && plans.find(isIts);
    return { ...result, samplesPerSecond: (workload.batch * 1000) / result.msPerStep, predictedMs: plan?.stepMs };
  });
  const [first] = ways;
  const { losses, msPerStep } = first!;
  const result = {
    workload: workload.name,
    ranks: size,
    link,
    allReduceMs: quantile(reduces, 0.5),
    ways,
    losses,
    msPerStep,
  };
  if (values.json) console.log(JSON.stringify(result));
  else
    for (const way of ways)
      console.log(
        `${workload.name} ${size} ranks, ${way.name.padEnd(8)} ${way.msPerStep.toFixed(1)} ms a step, ${way.samplesPerSecond.toFixed(0)} samples/s, predicted ${way.predictedMs?.toFixed(1) ?? '-'} ms`,
      );
});
