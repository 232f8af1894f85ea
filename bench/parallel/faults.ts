/**
 * kill -9 of each role at random moments: the first rank, another rank, the launcher, the supervisor. After each: how long until
 * all are gone, what is left behind, and whether the resumed run ends with the bytes of a run that nobody disturbed.
 *
 *   node dist/bench/parallel/faults.js [--rounds 20] [--json]
 */

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { random } from '../../src/base/random.ts';
import { classifier, dense, relu, sequential } from '../../src/nn/index.ts';
import { writeModel } from '../../src/onnx/index.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '20' }, json: { type: 'boolean', default: false } },
});
const folder = mkdtempSync(join(tmpdir(), 'pare-faults-'));
const main = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const source = random(1, 'faults');

writeFileSync(join(folder, 'net.onnx'), writeModel(sequential([dense(64), relu(), classifier(3)], { input: [4] })));
const rows = Array.from({ length: 600 }, (_, i) =>
  [0, 1, 2, 3].map(() => (source.normal() + (i % 3)).toFixed(4)).concat(`${i % 3}`),
);
writeFileSync(join(folder, 'rows.csv'), ['a,b,c,d,kind', ...rows.map((row) => row.join(','))].join('\n'));

/** The command line of a run that is kept in `name`. */
const words = (name: string, ...more: string[]): string[] => [
  ...[main, 'train', join(folder, 'net.onnx'), '--data', join(folder, 'rows.csv'), '--label', 'kind', '--epochs', '30'],
  ...['--batch', '16', '--quiet', '--json', '--ranks', '2', '--checkpoint', join(folder, name), '--every', '50'],
  ...['--out', join(folder, `${name}.onnx`), ...more],
];
const digest = (name: string): string =>
  createHash('sha256')
    .update(readFileSync(join(folder, `${name}.onnx`)))
    .digest('hex');
const processes = (name: string): { pid: number; words: string }[] =>
  spawnSync('ps', ['-eo', 'pid=,stat=,args='], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter((line) => line.includes(`${name}.onnx`) && !/^\s*\d+\s+Z/.test(line))
    .map((line) => ({ pid: Number(line.trim().split(/\s+/)[0]), words: line }));
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const shared = (): string[] => readdirSync('/dev/shm');

spawnSync(process.execPath, words('whole'), { stdio: 'ignore' });
const expected = digest('whole');
const ROLES = ['supervisor', 'launcher', 'rank', 'rank'] as const;
const before = new Set(shared());
const rounds = [];
for (let round = 0; round < Number(values.rounds); round++) {
  const name = `run${round}`;
  const role = ROLES[round % ROLES.length]!;
  const child = spawn(process.execPath, words(name), { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const roleOf = ({ pid, words: line }: { pid: number; words: string }): string =>
    pid === child.pid ? 'supervisor' : / -n 2 /.test(line) ? 'launcher' : 'rank';
  // Until both ranks are there, and then some.
  while (processes(name).filter((each) => roleOf(each) === 'rank').length < 2 && child.exitCode === null)
    await sleep(50);
  await sleep(source.uniform() * 4000);
  const found = processes(name).filter((each) => roleOf(each) === role);
  const victim = found[source.integer(Math.max(1, found.length))];
  const started = performance.now();
  if (victim) process.kill(victim.pid, 'SIGKILL');
  while (processes(name).length > 0 && performance.now() - started < 60_000) await sleep(50);
  const seconds = (performance.now() - started) / 1000;
  await ended;
  const suspects = shared().filter((file) => !before.has(file));
  const resumed = spawnSync(process.execPath, words(name, '--resume'), { stdio: 'ignore' });
  // What other programs had there is gone by now, or is of theirs that still run.
  const left = suspects.filter((file) => shared().includes(file));
  const isSame = resumed.status === 0 && digest(name) === expected;
  rounds.push({ role, seconds, leftProcesses: processes(name).length, leftShared: left.length, isSame });
  if (!values.json)
    console.log(
      `${round + 1}  ${role.padEnd(10)}  gone after ${seconds.toFixed(1)} s  left: ${processes(name).length} processes, ${left.length} segments  resumed: ${isSame ? 'same bytes' : 'DIFFERENT'}`,
    );
}
rmSync(folder, { recursive: true, force: true });
const worst = Math.max(...rounds.map(({ seconds }) => seconds));
if (values.json)
  console.log(JSON.stringify({ rounds, worstSeconds: worst, allSame: rounds.every(({ isSame }) => isSame) }));
else console.log(`worst: ${worst.toFixed(1)} s`);
