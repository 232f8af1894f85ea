/** One communicator of MPI as a `Collective`. Calls run on a thread of libuv's pool, so JavaScript goes on meanwhile. */

import { hostname } from 'node:os';
import { PareError } from '../base/error.ts';
import { blockOf, type Collective } from './collective.ts';
import { check, type Handle, type MpiLibrary, outHandle, outNumber } from './mpi-library.ts';
import { rollCall } from './mpi-roll-call.ts';

export interface MpiGroupOptions {
  /** A collective that takes longer means that a rank is lost. */
  readonly timeoutSeconds: number;
  /** A communicator of its own for asking who is there; undefined where only one thread may call MPI at a time. */
  readonly roll?: Handle;
  readonly end: () => Promise<void>;
}

/** The ranks of `comm`. */
export function mpiGroup(mpi: MpiLibrary, comm: Handle, options: MpiGroupOptions): Collective {
  const { timeoutSeconds, roll, end } = options;
  const rank = outNumber(mpi, (out) => mpi.MPI_Comm_rank(comm, out), 'MPI_Comm_rank');
  const size = outNumber(mpi, (out) => mpi.MPI_Comm_size(comm, out), 'MPI_Comm_size');

  const lost = async (what: string): Promise<PareError> => {
    const missing = roll === undefined ? undefined : await rollCall(mpi, roll, rank, size);
    const named = missing && missing.length > 0 ? `Rank ${missing.join(', rank ')}` : undefined;
    const who = named ?? (missing ? 'Nobody is missing, but a rank' : 'A rank');
    return new PareError('parallel/rank-lost', `${who} did not come to ${what} within ${timeoutSeconds} s.`, {
      where: `rank ${rank} on ${hostname()}`,
      hint: 'a longer limit: PARE_MPI_TIMEOUT (seconds)',
    });
  };
  const call = async (what: string, run: Promise<number>): Promise<void> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), timeoutSeconds * 1000);
    });
    try {
      const code = await Promise.race([run, late]);
      if (code === 'late') throw await lost(what);
      check(mpi, code, what);
    } finally {
      clearTimeout(timer);
    }
  };
  const average = (
    values: Float32Array,
    by: string | undefined,
    [from, to] = [0, values.length] as readonly number[],
  ): void => {
    if (by !== 'mean') return;
    const share = 1 / size;
    for (let i = from!; i < to!; i++) values[i] = values[i]! * share;
  };
  const blocks = (length: number) => {
    const ends = Array.from({ length: size }, (_, r) => blockOf(length, size, r));
    return { counts: Int32Array.from(ends, ([a, b]) => b - a), starts: Int32Array.from(ends, ([a]) => a) };
  };

  return {
    kind: 'mpi',
    rank,
    size,
    async allReduce(values, by) {
      const run = mpi.MPI_Allreduce.later(mpi.inPlace, values, values.length, mpi.float, mpi.sum, comm);
      await call('an all-reduce', run);
      average(values, by);
    },
    async reduceScatter(values, by) {
      const block = blockOf(values.length, size, rank);
      const own = new Float32Array(block[1] - block[0]);
      const { counts } = blocks(values.length);
      await call('a reduce-scatter', mpi.MPI_Reduce_scatter.later(values, own, counts, mpi.float, mpi.sum, comm));
      values.set(own, block[0]);
      average(values, by, block);
    },
    async allGather(values) {
      const { counts, starts } = blocks(values.length);
      const run = mpi.MPI_Allgatherv.later(mpi.inPlace, 0, mpi.float, values, counts, starts, mpi.float, comm);
      await call('an all-gather', run);
    },
    allToAll(values, into) {
      const count = values.length / size;
      return call('an all-to-all', mpi.MPI_Alltoall.later(values, count, mpi.float, into, count, mpi.float, comm));
    },
    broadcast: (values, root = 0) =>
      call('a broadcast', mpi.MPI_Bcast.later(values, values.length, mpi.float, root, comm)),
    barrier: () => call('a barrier', mpi.MPI_Barrier.later(comm)),
    send: (values, to, tag = 0) =>
      call(`a message to rank ${to}`, mpi.MPI_Send.later(values, values.length, mpi.float, to, tag, comm)),
    receive: (values, from, tag = 0) =>
      call(
        `a message from rank ${from}`,
        mpi.MPI_Recv.later(values, values.length, mpi.float, from, tag, comm, mpi.statusIgnore),
      ),
    async split(color) {
      const part = (from: Handle): Handle =>
        outHandle(mpi, (out) => mpi.MPI_Comm_split(from, color, rank, out), 'MPI_Comm_split');
      const own = part(comm);
      check(mpi, mpi.MPI_Comm_set_errhandler(own, mpi.errorsReturn), 'MPI_Comm_set_errhandler');
      return mpiGroup(mpi, own, {
        timeoutSeconds,
        ...(roll !== undefined && { roll: part(roll) }),
        end: async () => undefined,
      });
    },
    end,
    abort: (status = 1) => {
      mpi.MPI_Abort(mpi.world, status);
    },
  };
}
