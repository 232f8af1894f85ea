#!/usr/bin/env node
/** The program `pare`: this process's streams, signals and exit code around one command. */

import { readFileSync } from 'node:fs';
import { run } from './run.ts';

/** The package's own version, from the nearest package.json above this file (source and build differ in depth). */
function ownVersion(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as Record<
        string,
        string
      >;
      if (name === 'pare') return version!;
    } catch {
      // not there: look further up
    }
  }
  return 'unknown';
}

const interrupt = new AbortController();
process.on('SIGINT', () => {
  if (interrupt.signal.aborted) process.exit(130);
  process.stderr.write('\nStopping after this step; Ctrl-C again kills.\n');
  interrupt.abort(new Error('interrupted by Ctrl-C'));
});
// What launchers and schedulers send before they kill: as Ctrl-C, but never twice.
for (const signal of ['SIGTERM', 'SIGUSR2'] as const)
  process.on(signal, () => interrupt.abort(new Error(`interrupted by ${signal}`)));
// The reader may leave early, as `pare inspect … | head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
// Nobody may want notes and progress; the work goes on.
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await run(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: interrupt.signal,
  version: ownVersion(),
});
