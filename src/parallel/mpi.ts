/** A group of processes that an MPI launcher started: `mpirun -n 4 …`, `srun …`. */

import { PareError } from '../base/error.ts';
import type { Collective } from './collective.ts';
import { mpiGroup } from './mpi-group.ts';
import { check, type Handle, openMpiLibrary, outHandle, outNumber } from './mpi-library.ts';
import { startPulse } from './mpi-pulse.ts';

export interface MpiOptions {
  /** A collective that takes longer means that a rank died or hangs. Default 300, or the environment's PARE_MPI_TIMEOUT. */
  readonly timeoutSeconds?: number;
  /** A rank that says nothing for so long hangs. Default 15, or the environment's PARE_RANK_SILENCE. */
  readonly silenceSeconds?: number;
  /** Told of a rank that hangs, before all are stopped. Default: a line on stderr. */
  readonly onLost?: (error: PareError) => void;
}

/**
 * Joins the group that the launcher made. Once per process: MPI can neither be left and joined again, nor joined twice.
 *
 * Every rank must `end()`, or the launcher reports a failure.
 * Throws   parallel/no-mpi when no MPI is installed; parallel/mpi when it refuses.
 */
export async function openMpi(options: MpiOptions = {}): Promise<Collective & { readonly version: string }> {
  const { timeoutSeconds = Number(process.env['PARE_MPI_TIMEOUT'] ?? 300) } = options;
  const { silenceSeconds = Number(process.env['PARE_RANK_SILENCE'] ?? 15) } = options;
  const { onLost = (error: PareError) => process.stderr.write(`${error.describe()}\n`) } = options;
  // Open MPI's threads spin while they wait. Here they wait beside threads that compute, which want the core.
  process.env['OMPI_MCA_mpi_yield_when_idle'] ??= '1';
  const mpi = await openMpiLibrary();
  if (outNumber(mpi, (out) => mpi.MPI_Initialized(out), 'MPI_Initialized')) {
    throw new PareError('parallel/mpi', 'MPI was joined before in this process.', { hint: 'pass the collective on' });
  }
  const level = outNumber(mpi, (out) => mpi.MPI_Init_thread(null, null, mpi.threads.multiple, out), 'MPI_Init_thread');
  if (level < mpi.threads.serialized) {
    throw new PareError('parallel/mpi', 'This MPI may only be called from one thread.', { got: mpi.version });
  }
  const duplicate = (): Handle => {
    const own = outHandle(mpi, (out) => mpi.MPI_Comm_dup(mpi.world, out), 'MPI_Comm_dup');
    check(mpi, mpi.MPI_Comm_set_errhandler(own, mpi.errorsReturn), 'MPI_Comm_set_errhandler');
    return own;
  };
  const comm = duplicate();
  const isFree = level >= mpi.threads.multiple;
  const group = mpiGroup(mpi, comm, {
    timeoutSeconds,
    ...(isFree && { roll: duplicate() }),
    async end() {
      await leave();
      check(mpi, await mpi.MPI_Finalize.later(), 'MPI_Finalize');
    },
  });
  const leave = startPulse({
    mpi,
    ...(isFree && { comm: duplicate() }),
    rank: group.rank,
    size: group.size,
    silenceSeconds,
    onLost(error) {
      onLost(error);
      group.abort(1);
    },
  });
  return { ...group, version: mpi.version };
}
