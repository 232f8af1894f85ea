/**
 * Throughput of 2 replicas × 1 thread against 1 × 1 and 1 × 2, at the same global batch, interleaved; beside PyTorch's
 * DistributedDataParallel (gloo) doing the same. Then 2 MPI ranks of one thread: pipeline and split layers against copies.
 * `-- --peer torch --only W1,W3 --rounds 7 --json`
 *
 *   speed-up = time(1 × 1) / time(2 × 1)       efficiency = speed-up / 2       ratios within a round, median over rounds
 */

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { Model } from '../../src/graph/model.ts';
import { openEngine } from '../../src/runtime/index.ts';
import { type PeerProcess, pythonWith, startPeer } from '../peer/process.ts';
import { workloads } from '../training/workload.ts';
import { replicaRunner } from './replicas.ts';
import { splitOver2, type Way } from './split.ts';

const SHAPES = [
  { name: '1x1', replicas: 1, threads: 1 },
  { name: '1x2', replicas: 1, threads: 2 },
  { name: '2x1', replicas: 2, threads: 1 },
] as const;
/** Batch normalisation over both replicas' samples, where there is one. */
const SYNCED = { name: '2x1 synced', replicas: 2, threads: 1, syncNorm: true } as const;
const { values } = parseArgs({
  options: {
    peer: { type: 'string', default: '' },
    only: { type: 'string', default: 'W1,W3,W4,W5' },
    rounds: { type: 'string', default: '7' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1]!;

const engine = await openEngine({ threads: 2 });
const skipped: Record<string, string> = {};

interface Contender {
  readonly name: string;
  step(count: number): Promise<number>;
  end(): void | Promise<void>;
}

/** A port that nobody listens on: the system's choice. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** PyTorch as so many processes; the first answers for all. */
async function torchRunner(name: string, shape: (typeof SHAPES)[number], batch: number): Promise<Contender> {
  const python = await pythonWith('torch');
  if (!python) throw new Error('no Python with torch found: see bench/peers/requirements.txt');
  const port = `${await freePort()}`;
  const { replicas, threads } = shape;
  const env = { OMP_NUM_THREADS: `${threads}`, OPENBLAS_NUM_THREADS: `${threads}`, MASTER_PORT: port };
  const ranks: PeerProcess[] = await Promise.all(
    Array.from({ length: replicas }, (_, rank) =>
      startPeer(python, ['bench/peers/torch_ddp.py', `${rank}`, `${replicas}`, `${threads}`, name, `${batch}`], env),
    ),
  );
  return {
    name: `torch ${shape.name}`,
    step: async (count) => {
      const answers = await Promise.all(ranks.map((rank) => rank.ask({ do: 'step', count })));
      return Math.max(...answers.map(({ ms }) => ms as number));
    },
    end: () => {
      for (const rank of ranks) rank.end();
    },
  };
}

const hasBatchNorm = ({ graph }: Model): boolean => graph.nodes.some(({ op }) => op === 'BatchNormalization');

const results = [];
for (const workload of workloads) {
  if (!values.only.split(',').includes(workload.name)) continue;
  const contenders: Contender[] = [];
  for (const shape of SHAPES) contenders.push({ name: shape.name, ...(await replicaRunner(workload, engine, shape)) });
  if (hasBatchNorm(workload.model()))
    contenders.push({ name: SYNCED.name, ...(await replicaRunner(workload, engine, SYNCED)) });
  if (values.peer === 'torch') {
    try {
      for (const shape of SHAPES) contenders.push(await torchRunner(workload.name, shape, workload.batch));
    } catch (error) {
      skipped[`torch on ${workload.name}`] = (error as Error).message;
    }
  }
  const times: Record<string, number[]> = Object.fromEntries(contenders.map(({ name }) => [name, []]));
  for (const { step } of contenders) await step(Math.max(2, workload.steps >> 1));
  for (let round = 0; round < rounds; round++)
    for (const { name, step } of contenders) times[name]!.push(await step(workload.steps));
  for (const { end } of contenders) await end();
  const ratio = (a: string, b: string): number | undefined =>
    times[a]?.length === rounds && times[b]?.length === rounds
      ? median(times[a]!.map((ms, i) => ms / times[b]![i]!))
      : undefined;
  const speedUp = ratio('1x1', '2x1')!;
  const torch = ratio('torch 1x1', 'torch 2x1');
  const synced = ratio('1x1', SYNCED.name);
  let ways: Way[] = [];
  try {
    ways = splitOver2(workload.name, Math.max(6, Math.min(30, 2 * workload.steps)));
  } catch (error) {
    skipped[`2 ranks of ${workload.name}`] = (error as Error).message;
  }
  const result = {
    name: workload.name,
    about: workload.about,
    ms: Object.fromEntries(Object.entries(times).map(([name, list]) => [name, median(list)])),
    speedUp,
    efficiency: speedUp / 2,
    againstThreads: ratio('1x2', '2x1')!,
    ...(synced !== undefined && { syncedEfficiency: synced / 2 }),
    ...(torch !== undefined && { torchSpeedUp: torch, torchEfficiency: torch / 2 }),
    ...(ways.length > 0 && {
      ranks: Object.fromEntries(ways.map(({ name, msPerStep, predictedMs }) => [name, { msPerStep, predictedMs }])),
    }),
  };
  results.push(result);
  if (values.json) continue;
  const cells = Object.entries(result.ms).map(([name, ms]) => `${name} ${ms.toFixed(2)} ms`);
  const peer = torch === undefined ? '' : `  torch: efficiency ${(torch * 50).toFixed(0)} %`;
  console.log(
    `${workload.name}  ${workload.about.padEnd(38)} ${cells.join('  ')}\n    2x1: ${speedUp.toFixed(2)} times 1x1, efficiency ${(speedUp * 50).toFixed(0)} %, ${result.againstThreads.toFixed(2)} times 1x2${peer}`,
  );
  for (const { name, samplesPerSecond, msPerStep } of ways)
    console.log(
      `    2 ranks, ${name.padEnd(8)} ${msPerStep.toFixed(2)} ms, ${samplesPerSecond.toFixed(0)} samples/s, ${(samplesPerSecond / ways[0]!.samplesPerSecond).toFixed(2)} times copies`,
    );
}
engine[Symbol.dispose]();
for (const [name, why] of Object.entries(skipped)) if (!values.json) console.log(`skipped ${name}: ${why}`);
if (values.json) console.log(JSON.stringify({ workloads: results, machine: { cpu: cpus()[0]?.model }, skipped }));
