/** One command as a rank of a group that an MPI launcher started: the first rank speaks and writes, the others work. */

import { asPareError, type PareError } from '../src/base/error.ts';
import { alone } from '../src/parallel/alone.ts';
import type { Collective } from '../src/parallel/collective.ts';
import { isLaunched } from '../src/parallel/launched.ts';
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts';
import type { Io } from './run.ts';
import { tellSegments } from './supervise.ts';

/** What launchers call a process's rank. */
const RANKS = ['OMPI_COMM_WORLD_RANK', 'PMIX_RANK', 'PMI_RANK', 'MV2_COMM_WORLD_RANK', 'SLURM_PROCID'] as const;
/** How long the first rank has to tell an error that all have, before another rank tells its own. */
const GRACE_MS = 1000;

/** This process's rank as its launcher told it; 0 without one. */
const toldRank = (env: Io['env']): number =>
  isLaunched(env) ? Number(RANKS.map((name) => env[name]).find((value) => value !== undefined) ?? 0) : 0;

/** The world as this rank may use it: only the first is heard. */
export const ioOfRank = (io: Io): Io => {
  if (toldRank(io.env) === 0) return io;
  const silent = { write: () => true };
  return { ...io, stdout: silent, stderr: silent };
};

export interface RankWork {
  /** Without it the command is the first rank's alone, and the others wait. */
  readonly isParallel: boolean;
  readonly work: (collective: Collective) => Promise<ExitCode>;
  /** Says an error as the first rank would. */
  readonly tell: (error: PareError) => void;
}

/**
 * Runs a command's work as what this process is: a rank, or alone.
 *
 * An error of one rank stops all of them; an interruption is agreed on and leaves in order.
 */
export async function withRanks(io: Io, { isParallel, work, tell }: RankWork): Promise<ExitCode> {
  if (!isLaunched(io.env)) return work(alone());
  const { openMpi } = await import('../src/parallel/mpi.ts');
  const aloud = (rank: number, error: PareError): void =>
    void process.stderr.write(`rank ${rank}: ${error.describe()}\n`);
  const group = await openMpi({ onLost: (error) => aloud(toldRank(io.env), error) });
  tellSegments(io.env);
  try {
    const code = group.rank === 0 || isParallel ? await work(group) : EXIT.done;
    await group.end();
    return code;
  } catch (thrown) {
    const error = asPareError(thrown);
    const code = exitCodeOf(error.code);
    if (error.code === 'work/aborted') {
      await Promise.race([group.end(), new Promise((resolve) => setTimeout(resolve, GRACE_MS))]);
      throw thrown;
    }
    if (group.rank > 0) {
      await new Promise((resolve) => setTimeout(resolve, GRACE_MS));
      aloud(group.rank, error);
    } else tell(error);
    group.abort(code);
    return code;
  }
}
