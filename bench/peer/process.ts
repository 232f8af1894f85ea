/** A peer in a process of its own that answers one JSON line for each JSON line it is sent. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface PeerProcess {
  ask(question: unknown): Promise<Record<string, unknown>>;
  end(): void;
}

/** Starts a peer; rejects with its last words when it ends before it says `{"ready": …}`. */
export async function startPeer(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<PeerProcess & { ready: Record<string, unknown> }> {
  const child = spawn(command, [...args], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    words = (words + chunk.toString()).slice(-400);
  });
  const lines = createInterface({ input: child.stdout });
  const waiting: { resolve: (answer: Record<string, unknown>) => void; reject: (error: Error) => void }[] = [];
  lines.on('line', (line) => {
    if (line.startsWith('{')) waiting.shift()?.resolve(JSON.parse(line) as Record<string, unknown>);
  });
  const fail = (why: string): void => {
    for (const { reject } of waiting.splice(0)) reject(new Error(why));
  };
  child.on('error', (error) => fail(error.message));
  child.on('exit', () => fail(words.trim().split('\n').at(-1) || 'the peer ended'));
  const next = (): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  const ready = await next();
  return {
    ready,
    ask: async (question) => {
      const answer = next();
      child.stdin.write(`${JSON.stringify(question)}\n`);
      return await answer;
    },
    end: () => {
      child.stdin.end();
      void once(child, 'exit').catch(() => undefined);
    },
  };
}

/** The first of several commands that can import a Python module, or undefined. */
export async function pythonWith(module: string): Promise<string | undefined> {
  const candidates = [process.env['PARE_PYTHON'], 'bench/peers/venv/bin/python', 'python3', '/usr/bin/python3'].filter(
    (path) => path !== undefined,
  );
  for (const command of candidates) {
    const child = spawn(command, ['-c', `import ${module}`], { stdio: 'ignore' });
    const code = await new Promise<number>((resolve) => {
      child.on('error', () => resolve(1));
      child.on('exit', (status) => resolve(status ?? 1));
    });
    if (code === 0) return command;
  }
  return undefined;
}
