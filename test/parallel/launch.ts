/** Starts a program of this folder as MPI ranks, with whichever MPI launchers are installed. */

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));
const target = join(root, 'node_modules/.cache/pare-ranks', `${process.pid}`);
let isReady = false;

/** Writes src/, cli/ and this folder as JavaScript that any supported Node runs: ranks are processes of their own. */
export function transpile(): void {
  if (isReady) return;
  for (const folder of ['src', 'cli', 'test/parallel']) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      const file = join(entry.parentPath, entry.name);
      if (!/\.ts$/.test(file) || /\.(test|d)\.ts$/.test(file)) continue;
      const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
        fileName: file,
        compilerOptions: {
          module: ts.ModuleKind.ESNext,
          target: ts.ScriptTarget.ES2023,
          rewriteRelativeImportExtensions: true,
          verbatimModuleSyntax: true,
        },
      });
      const into = join(target, relative(root, file)).replace(/\.ts$/, '.js');
      mkdirSync(dirname(into), { recursive: true });
      writeFileSync(into, outputText);
    }
  }
  writeFileSync(join(target, 'package.json'), '{"type":"module"}');
  isReady = true;
}

/** The folder that `launch` writes; whoever launched removes it. */
export { target as written };

export interface Launcher {
  readonly name: string;
  readonly command: string;
  readonly args: (ranks: number) => string[];
}

const OPEN_MPI = ['--allow-run-as-root', '--oversubscribe', '--bind-to', 'none', '-n'];

const launcher = (command: string): Launcher[] => {
  const asked = spawnSync(command, ['--version'], { encoding: 'utf8' });
  if (asked.status !== 0) return [];
  const isOpen = /Open MPI|OpenRTE/.test(asked.stdout);
  const args = (ranks: number): string[] => (isOpen ? [...OPEN_MPI, `${ranks}`] : ['-n', `${ranks}`]);
  return [{ name: isOpen ? 'Open MPI' : 'MPICH', command, args }];
};

/** One launcher of each kind that is installed. */
export const launchers = (): Launcher[] => {
  const found = ['mpirun', 'mpirun.openmpi', 'mpirun.mpich', 'mpiexec.hydra'].flatMap(launcher);
  return found.filter(({ name }, i) => found.findIndex((other) => other.name === name) === i);
};

export interface Ended {
  readonly status: number | null;
  /** What each rank printed as JSON lines, in the order of arrival. */
  readonly answers: Record<string, unknown>[];
  readonly words: string;
  readonly seconds: number;
}

/** Runs `program` (a file of this folder without its ending) on some ranks. `onLine` sees each answer as it comes. */
export function launch(
  { command, args }: Launcher,
  program: string,
  {
    ranks = 2,
    input = {},
    env = {},
    dataLimit,
    onLine,
  }: {
    ranks?: number;
    input?: unknown;
    env?: Record<string, string>;
    /** Bytes of memory that each rank may have (RLIMIT_DATA: what it can write, not what it reserves). */
    dataLimit?: number;
    onLine?: (answer: Record<string, unknown>) => void;
  } = {},
): Promise<Ended> {
  transpile();
  const file = join(target, 'test/parallel', `${program}.js`);
  const started = performance.now();
  const limit =
    dataLimit === undefined ? [] : ['sh', '-c', `ulimit -d ${Math.floor(dataLimit / 1024)}; exec "$@"`, '-'];
  const child = spawn(command, [...args(ranks), ...limit, process.execPath, file, JSON.stringify(input)], {
    cwd: root,
    env: { ...process.env, OMPI_MCA_btl_vader_single_copy_mechanism: 'none', ...env },
  });
  const answers: Record<string, unknown>[] = [];
  let words = '';
  let rest = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      if (!line.startsWith('{')) continue;
      answers.push(JSON.parse(line) as Record<string, unknown>);
      onLine?.(answers.at(-1)!);
    }
  });
  child.stderr.on('data', (chunk: Buffer) => {
    words += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, answers, words, seconds: (performance.now() - started) / 1000 }));
  });
}
