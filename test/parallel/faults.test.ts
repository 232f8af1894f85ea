/** kill -9 of a rank and of the supervisor in the middle of a run; `bench/parallel/faults.ts` does it often, at random moments, to all roles. */

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { random } from '../../src/base/random.ts';
import { classifier, dense, relu, sequential } from '../../src/nn/index.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { launchers, transpile, written } from './launch.ts';

const folder = mkdtempSync(join(tmpdir(), 'pare-killed-'));
const at = (name: string): string => join(folder, name);
afterAll(() => {
  for (const each of [folder, written]) rmSync(each, { recursive: true, force: true });
});

const words = (name: string, ...more: string[]): string[] => [
  ...[join(written, 'cli/main.js'), 'train', at('net.onnx'), '--data', at('rows.csv'), '--label', 'kind', '--quiet'],
  ...['--epochs', '8', '--batch', '16', '--threads', '1', '--ranks', '2', '--checkpoint', at(name), '--every', '10'],
  ...['--out', at(`${name}.onnx`), ...more],
];
const finished = (name: string, ...more: string[]): string => {
  const { stderr, status } = spawnSync(process.execPath, words(name, ...more), { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return digest(name);
};
const digest = (name: string): string => readFileSync(at(`${name}.onnx`)).toString('base64');
/** Living processes of a run, by what they are. */
const living = (name: string): { pid: number; isLauncher: boolean }[] =>
  spawnSync('ps', ['-eo', 'pid=,stat=,args='], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter((line) => line.includes(`${name}.onnx`) && !/^\s*\d+\s+Z/.test(line))
    .map((line) => ({ pid: Number(line.trim().split(/\s+/)[0]), isLauncher: / -n 2 /.test(line) }));

/** Starts a run, and kills one of its processes as soon as there is a checkpoint. */
async function killed(name: string, role: 'rank' | 'supervisor', ...more: string[]): Promise<number | null> {
  const child = spawn(process.execPath, words(name, ...more), { stdio: 'ignore' });
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  await expect.poll(() => existsSync(at(name)) || child.exitCode !== null, { timeout: 60_000 }).toBe(true);
  const ranks = living(name).filter(({ pid, isLauncher }) => pid !== child.pid && !isLauncher);
  const victim = role === 'supervisor' ? child.pid : ranks.at(-1)?.pid;
  if (victim !== undefined && child.exitCode === null) process.kill(victim, 'SIGKILL');
  return ended;
}

describe.skipIf(launchers().length === 0)('a run that is killed (skipped where no mpirun is installed)', () => {
  it('leaves nothing behind, and goes on to the same bytes', { timeout: 120_000 }, async () => {
    transpile();
    const source = random(1, 'faults');
    writeFileSync(at('net.onnx'), writeModel(sequential([dense(64), relu(), classifier(3)], { input: [4] })));
    const rows = Array.from({ length: 300 }, (_, i) =>
      [0, 1, 2, 3].map(() => (source.normal() + (i % 3)).toFixed(4)).concat(`${i % 3}`),
    );
    writeFileSync(at('rows.csv'), ['a,b,c,d,kind', ...rows.map((row) => row.join(','))].join('\n'));
    const expected = finished('whole');

    expect(await killed('rank', 'rank', '--restarts', '2')).toBe(0);
    expect(digest('rank')).toBe(expected);

    await killed('supervisor', 'supervisor');
    await expect.poll(() => living('supervisor').length, { timeout: 10_000 }).toBe(0);
    expect(finished('supervisor', '--resume')).toBe(expected);
  });
});
