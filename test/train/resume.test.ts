/** A run that is killed at any moment, again and again, ends in the same bytes as one that was left alone. */

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
  program = transpiled('test/train/resume-child.ts', 'pare-resume');
  folder = mkdtempSync(join(tmpdir(), 'pare-resume-'));
});
afterAll(() => {
  program.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the child to its end, or kills it so many milliseconds after it began to train; true when it ended by itself. */
const run = (name: string, killAfterMs?: number): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program.path, join(folder, name), join(folder, `${name}.onnx`)]);
    let errors = '';
    child.stderr.on('data', (text) => {
      errors += text;
    });
    child.stdout.once('data', () => {
      if (killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    });
    child.on('exit', (code, signal) => {
      if (code === 0) resolve(true);
      else if (signal === 'SIGKILL') resolve(false);
      else reject(new Error(errors));
    });
  });

it('ends in the same bytes after five kills', { timeout: 120_000 }, async () => {
  expect(await run('whole')).toBe(true);
  const moments = random(5, 'kill');
  let kills = 0;
  let isDone = false;
  while (!isDone && kills < 5) {
    isDone = await run('killed', 30 + moments.integer(250));
    if (!isDone) kills += 1;
  }
  if (!isDone) expect(await run('killed')).toBe(true);
  expect(kills).toBeGreaterThan(1);
  expect(existsSync(join(folder, 'killed', 'checkpoint.safetensors'))).toBe(true);
  expect(readFileSync(join(folder, 'killed.onnx')).equals(readFileSync(join(folder, 'whole.onnx')))).toBe(true);
});
