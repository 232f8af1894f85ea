/** Milliseconds per training step (forward, backward, Adam), beside peers, interleaved. `-- --peer torch,tfjs --only W1,W3 --json` */

import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { openEngine } from '../../src/runtime/index.ts';
import { type PeerProcess, pythonWith, startPeer } from '../peer/process.ts';
import { pareContender } from './pare.ts';
import { workloads } from './workload.ts';

const ROUNDS = 9;
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

const engine = await openEngine({ threads });
const peers: Record<string, PeerProcess> = {};
const skipped: Record<string, string> = {};
const versions: Record<string, string> = { pare: '0.1.0', onnxruntime: engine.version, node: process.version };
for (const name of values.peer.split(',').filter(Boolean)) {
  try {
    const peer =
      name === 'torch' ? await startTorch() : await startPeer(process.execPath, ['bench/peers/tfjs_training.mjs']);
    peers[name] = peer;
    versions[name] = `${peer.ready['version']}`;
  } catch (error) {
    skipped[name] = (error as Error).message;
  }
}

async function startTorch() {
  const python = await pythonWith('torch');
  if (!python) throw new Error('no Python with torch found: see bench/peers/requirements.txt');
  return await startPeer(python, ['bench/peers/torch_training.py', `${threads}`], {
    OMP_NUM_THREADS: `${threads}`,
    OPENBLAS_NUM_THREADS: `${threads}`,
  });
}

const results = [];
for (const workload of workloads) {
  if (values.only && !values.only.split(',').includes(workload.name)) continue;
  const { name, about, batch, input, classes, steps } = workload;
  const pare = await pareContender(workload, engine);
  const contenders = [{ name: 'pare', step: (count: number) => pare.step(count) }];
  for (const [peerName, peer] of Object.entries(peers)) {
    const answer = await peer.ask({ do: 'load', name, batch, input, classes });
    if (answer['ok'])
      contenders.push({
        name: peerName,
        step: async (count) => (await peer.ask({ do: 'step', count }))['ms'] as number,
      });
  }
  const times: Record<string, number[]> = Object.fromEntries(contenders.map((contender) => [contender.name, []]));
  for (const contender of contenders) await contender.step(Math.max(2, steps >> 1));
  for (let round = 0; round < ROUNDS; round++)
    for (const contender of contenders) times[contender.name]!.push(await contender.step(steps));
  pare.end();
  const others = contenders.slice(1).map((contender) => contender.name);
  const ratioTo = (peer: string): number => median(times['pare']!.map((ms, i) => ms / times[peer]![i]!));
  results.push({
    name,
    about,
    pareMs: median(times['pare']!),
    peers: Object.fromEntries(others.map((peer) => [peer, median(times[peer]!)])),
    ratio: Object.fromEntries(others.map((peer) => [peer, ratioTo(peer)])),
  });
  const last = results.at(-1)!;
  if (!values.json) {
    const cells = others.map(
      (peer) => `${peer} ${last.peers[peer]!.toFixed(2)} ms (pare / ${peer} = ${last.ratio[peer]!.toFixed(2)})`,
    );
    console.log(`${name}  ${about.padEnd(38)} pare ${last.pareMs.toFixed(2)} ms  ${cells.join('  ')}`);
  }
}
for (const peer of Object.values(peers)) peer.end();
engine[Symbol.dispose]();
for (const [name, why] of Object.entries(skipped)) if (!values.json) console.log(`skipped ${name}: ${why}`);
if (values.json)
  console.log(JSON.stringify({ workloads: results, machine: { cpu: cpus()[0]?.model, threads }, versions, skipped }));
