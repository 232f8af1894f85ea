/** `pare train` that is killed at any moment, and called again with --resume, ends in the same file as one that was left alone. */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../../src/base/random.ts';
import { transpiled } from './transpiled.ts';

let program: ReturnType<typeof transpiled>;
let folder: string;
beforeAll(() => {
  program = transpiled('cli/main.ts', 'pare-resume-cli');
  folder = mkdtempSync(join(tmpdir(), 'pare-resume-cli-'));
});
afterAll(() => {
  program.remove();
  rmSync(folder, { recursive: true, force: true });
});

const FLAGS =
  '--data glyphs --augment flip,crop=2 --limit 400 --epochs 5 --batch 32 --every 3 --schedule one-cycle --around swa --threads 1 --quiet';

/** One call of the command; killed so many milliseconds after its first checkpoint lies there. True when it ended by itself. */
const train = (name: string, killAfterMs?: number): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const run = join(folder, name);
    const out = join(folder, `${name}.onnx`);
    const words = ['train', 'lenet', ...FLAGS.split(' '), '--checkpoint', run, '--resume', '--out', out];
    const child = spawn(process.execPath, [program.path, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (text) => {
      errors += text;
    });
    const watch = setInterval(() => {
      if (killAfterMs === undefined || !existsSync(join(run, 'checkpoint.safetensors'))) return;
      clearInterval(watch);
      setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    }, 5);
    child.on('exit', (code, signal) => {
      clearInterval(watch);
      if (code === 0) resolve(true);
      else if (signal === 'SIGKILL') resolve(false);
      else reject(new Error(errors));
    });
  });

it('ends in the same file after kills', { timeout: 120_000 }, async () => {
  expect(await train('whole')).toBe(true);
  const moments = random(3, 'kill');
  let kills = 0;
  let isDone = false;
  while (!isDone && kills < 3) {
    isDone = await train('killed', moments.integer(kills === 0 ? 100 : 700));
    if (!isDone) kills += 1;
  }
  if (!isDone) expect(await train('killed')).toBe(true);
  expect(kills).toBeGreaterThan(0);
  expect(readFileSync(join(folder, 'killed.onnx')).equals(readFileSync(join(folder, 'whole.onnx')))).toBe(true);
});
