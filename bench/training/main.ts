/**
 * Milliseconds per training step (forward, backward, Adam) and peak memory, beside peers.
 *
 *   npm run bench:training -- --peer torch,tfjs --only W1,W3 --json
 *
 * Every contender is a process of its own, started afresh for each workload, so that its peak memory is that of one workload.
 * They take turns. A turn begins with a pause, in which the others' threads stop spinning, and a step that is not timed, which
 * brings the caches back; then come as many steps as make a turn of some tenths of a second.
 */

import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { type PeerProcess, pythonWith, startPeer } from '../peer/process.ts';
import { type Workload, workloads } from './workload.ts';

const ROUNDS = 9;
/** A turn takes no longer than this where a step is shorter. */
const TURN_MS = 1000;
const PAUSE_MS = 60;
const { values } = parseArgs({
  options: {
    peer: { type: 'string', default: '' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    threads: { type: 'string', default: '' },
  },
});
const threads = Number(values.threads) || cpus().length;
const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1]!;
const geometricMean = (list: readonly number[]): number =>
  Math.exp(list.reduce((sum, x) => sum + Math.log(x), 0) / list.length);

const torch = values.peer.includes('torch') ? await pythonWith('torch') : undefined;
const starts: Record<string, () => ReturnType<typeof startPeer>> = {
  pare: () => startPeer(process.execPath, ['dist/bench/training/pare.js', `${threads}`]),
  torch: () => {
    if (!torch) throw new Error('no Python with torch found: see bench/peers/requirements.txt');
    const env = { OMP_NUM_THREADS: `${threads}`, OPENBLAS_NUM_THREADS: `${threads}`, MKL_NUM_THREADS: `${threads}` };
    return startPeer(torch, ['bench/peers/torch_training.py', `${threads}`], env);
  },
  tfjs: () => startPeer(process.execPath, ['bench/peers/tfjs_training.mjs']),
};
const names = ['pare', ...values.peer.split(',').filter(Boolean)];
const skipped: Record<string, string> = {};
const versions: Record<string, string> = {};

interface Contender {
  readonly name: string;
  readonly peer: PeerProcess;
  readonly times: number[];
  readonly count: number;
}

/** A contender with the workload loaded and warm; undefined where it cannot run it. */
async function enter(name: string, { name: workload, batch, input, classes, steps }: Workload) {
  if (skipped[name]) return undefined;
  try {
    const peer = await starts[name]!();
    versions[name] = `${peer.ready['version']}`;
    const answer = await peer.ask({ do: 'load', name: workload, batch, input, classes });
    if (!answer['ok']) {
      peer.end();
      skipped[`${name} ${workload}`] = `${answer['skip']}`;
      return undefined;
    }
    await peer.ask({ do: 'step', count: 1 });
    const ms = (await peer.ask({ do: 'step', count: 1 }))['ms'] as number;
    const count = Math.max(1, Math.min(steps, Math.round(TURN_MS / ms)));
    await peer.ask({ do: 'step', count: Math.ceil(count / 2) });
    return { name, peer, times: [], count } satisfies Contender;
  } catch (error) {
    if (name === 'pare') throw error;
    skipped[name] = (error as Error).message;
    return undefined;
  }
}

async function turn({ peer, times, count }: Contender): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  if (count > 1) await peer.ask({ do: 'step', count: 1 });
  times.push((await peer.ask({ do: 'step', count }))['ms'] as number);
}

interface Result {
  readonly name: string;
  readonly about: string;
  readonly pareMs: number;
  readonly peers: Record<string, number>;
  readonly ratio: Record<string, number>;
  readonly peakMb: Record<string, number>;
}

const results: Result[] = [];
for (const workload of workloads) {
  if (values.only && !values.only.split(',').includes(workload.name)) continue;
  const contenders: Contender[] = [];
  for (const name of names) {
    const contender = await enter(name, workload);
    if (contender) contenders.push(contender);
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const contender of contenders) await turn(contender);
  }
  const [pare, ...others] = contenders as [Contender, ...Contender[]];
  const peakMb: Record<string, number> = {};
  for (const { name, peer } of contenders) {
    peakMb[name] = Math.round((await peer.ask({ do: 'memory' }))['peakMb'] as number);
    peer.end();
  }
  const of = (what: (contender: Contender) => number): Record<string, number> =>
    Object.fromEntries(others.map((contender) => [contender.name, what(contender)]));
  const result = {
    name: workload.name,
    about: workload.about,
    pareMs: median(pare.times),
    peers: of(({ times }) => median(times)),
    ratio: of(({ times }) => median(times.map((ms, i) => pare.times[i]! / ms))),
    peakMb,
  };
  results.push(result);
  if (values.json) continue;
  const cells = others.map(
    ({ name }) =>
      `${name} ${result.peers[name]!.toFixed(2)} ms, ${peakMb[name]} MB (time ${result.ratio[name]!.toFixed(3)}, memory ${(peakMb['pare']! / peakMb[name]!).toFixed(2)})`,
  );
  const own = `${result.pareMs.toFixed(2)} ms, ${peakMb['pare']} MB`;
  console.log(`${result.name}  ${result.about.padEnd(38)} pare ${own.padEnd(20)}  ${cells.join('  ')}`);
}
const means = Object.fromEntries(
  names.slice(1).flatMap((name) => {
    const ratios = results.flatMap(({ ratio }) => ratio[name] ?? []);
    return ratios.length > 0 ? [[name, geometricMean(ratios)]] : [];
  }),
);
if (values.json) {
  const machine = { cpu: cpus()[0]?.model, threads };
  console.log(JSON.stringify({ workloads: results, geometricMean: means, machine, versions, skipped }));
} else {
  for (const [name, mean] of Object.entries(means)) console.log(`pare / ${name}: geometric mean ${mean.toFixed(3)}`);
  for (const [name, version] of Object.entries(versions)) console.log(`${name}: ${version}`);
  for (const [name, why] of Object.entries(skipped)) console.log(`skipped ${name}: ${why}`);
}
