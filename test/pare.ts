/** The command line in this process. */

import { run } from '../cli/run.ts';

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command and keeps what it says. */
export async function pare(...argv: string[]): Promise<Said> {
  const said = { out: '', err: '' };
  const code = await run(argv, {
    stdout: { write: (text) => (said.out += text) },
    stderr: { write: (text) => (said.err += text) },
    env: { NO_COLOR: '1' },
    signal: new AbortController().signal,
    version: '1.2.3',
  });
  return { code, ...said };
}
