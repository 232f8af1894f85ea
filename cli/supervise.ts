/** Starts a command as ranks of its own, and begins again from the last checkpoint when one of them is lost. */

import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PareError } from '../src/base/error.ts';
import { endAlone, sharedMemory } from '../src/parallel/end-alone.ts';
import { isLaunched } from '../src/parallel/launched.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { findMpi } from './find-mpi.ts';
import type { Io } from './run.ts';

type Words = Readonly<Record<string, readonly string[]>>;

/** Flags that are the supervisor's own. */
const OWN = ['ranks', 'hosts', 'restarts'] as const;
/** Where a rank finds its supervisor: host and process. */
const SUPERVISOR = 'PARE_SUPERVISOR';
/** The file in which ranks on the supervisor's machine name the shared memory that they map. */
const SEGMENTS = 'PARE_SEGMENTS';
/** What the launchers hand on to all ranks, and what ranks take for Ctrl-C. */
const STOP = 'SIGUSR2';
/** Ends that are results, or that would come again: nothing to begin anew for. */
const FINAL: readonly number[] = Object.values(EXIT).filter((code) => code !== EXIT.failure);
const WATCH_MS = 500;

/**
 * Runs the command in processes of its own when its flags ask for ranks or restarts; undefined when they do not.
 *
 * Throws   parallel/no-mpi without a launcher; usage/missing when there is no checkpoint to begin again from.
 */
export async function supervise(argv: readonly string[], words: Words, io: Io): Promise<ExitCode | undefined> {
  const wordOf = (name: (typeof OWN)[number]): string | undefined => words[name]?.at(-1);
  if (isLaunched(io.env) || io.env[SUPERVISOR] || !OWN.some((name) => wordOf(name) !== undefined)) return undefined;
  let left = Number(wordOf('restarts') ?? 0);
  if (left > 0 && !words['checkpoint'])
    throw new PareError('usage/missing', '--restarts needs a checkpoint to begin again from.', {
      where: '--restarts',
      expected: '--checkpoint FOLDER',
    });
  const program = [process.execPath, process.argv[1]!, ...withoutOwn(argv)];
  const command =
    wordOf('ranks') === undefined ? program : [...launcher(wordOf('ranks')!, wordOf('hosts'), io), ...program];
  for (let isAgain = false; ; isAgain = true) {
    const ended = await once(isAgain && !argv.includes('--resume') ? [...command, '--resume'] : command, io);
    if (left === 0 || FINAL.includes(ended.code) || io.signal.aborted) {
      io.stdout.write(ended.said);
      return (FINAL.includes(ended.code) ? ended.code : EXIT.failure) as ExitCode;
    }
    left -= 1;
    io.stderr.write(
      `note: the run ended with ${ended.how}; it goes on from the last checkpoint (${left} restarts left)\n`,
    );
  }
}

/** The command without the supervisor's flags and their values. */
function withoutOwn(argv: readonly string[]): string[] {
  const flags = OWN.map((name) => `--${name}`);
  return argv.filter((word, i) => {
    const [flag] = word.split('=');
    return !flags.includes(flag as `--${(typeof OWN)[number]}`) && !(flags as string[]).includes(argv[i - 1] ?? '');
  });
}

/** The words of the installed launcher. Throws parallel/no-mpi. */
export function launcher(ranks: string, hosts: string | undefined, { env }: Pick<Io, 'env'>): string[] {
  const { mpirun } = findMpi(env);
  if (!mpirun) {
    throw new PareError('parallel/no-mpi', '--ranks needs MPI, and no launcher was found.', {
      expected: 'mpirun or mpiexec in PATH (Open MPI or MPICH)',
      hint: '--replicas works without',
    });
  }
  const isOpen = /Open MPI|OpenRTE/.test(spawnSync(mpirun, ['--version'], { encoding: 'utf8' }).stdout ?? '');
  const where = hosts === undefined ? [] : isOpen ? ['--hostfile', hosts] : ['-f', hosts];
  return [mpirun, '-n', ranks, ...where, ...(isOpen ? ['--oversubscribe', '--bind-to', 'none'] : [])];
}

interface Ended {
  readonly code: number;
  readonly how: string;
  readonly said: string;
}

/** One run, in a process group of its own: Ctrl-C reaches this process alone, which then asks the ranks to stop in order. */
function once([command, ...args]: readonly string[], io: Io): Promise<Ended> {
  const folder = mkdtempSync(join(tmpdir(), 'pare-ranks-'));
  const segments = join(folder, 'segments');
  const child = spawn(command!, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...io.env,
      [SUPERVISOR]: `${hostname()}:${process.pid}`,
      [SEGMENTS]: segments,
      ...(process.getuid?.() === 0 && { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' }),
    },
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => io.stderr.write(chunk.toString()));
  const stop = (): void => void child.kill(STOP);
  io.signal.addEventListener('abort', stop, { once: true });
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // it has ended
    }
  };
  process.once('exit', end);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      io.signal.removeEventListener('abort', stop);
      process.removeListener('exit', end);
      removeSegments(segments);
      rmSync(folder, { recursive: true, force: true });
      resolve({ code: code ?? EXIT.failure, how: signal ?? `exit code ${code}`, said });
    });
  });
}

/** Names this rank's shared memory to its supervisor, which removes what is left of it: a rank that is killed cannot. */
export function tellSegments(env: Io['env']): void {
  const file = env[SEGMENTS];
  if (file !== undefined && isSupervisedHere(env))
    appendFileSync(
      file,
      sharedMemory()
        .map((name) => `${name}\n`)
        .join(''),
    );
}

function removeSegments(file: string): void {
  if (!existsSync(file)) return;
  for (const name of readFileSync(file, 'utf8').split('\n'))
    if (name.startsWith('/dev/shm/')) rmSync(name, { force: true });
}

const isSupervisedHere = (env: Io['env']): boolean => env[SUPERVISOR]?.split(':')[0] === hostname();

/** Ends this process when its supervisor, on the same machine, has gone. */
export function watchSupervisor(env: Io['env']): void {
  if (!isSupervisedHere(env)) return;
  const pid = env[SUPERVISOR]!.split(':')[1];
  setInterval(() => {
    try {
      process.kill(Number(pid), 0);
    } catch {
      if (env[SEGMENTS]) rmSync(dirname(env[SEGMENTS]), { recursive: true, force: true });
      endAlone();
    }
  }, WATCH_MS).unref();
}
