/** A group of processes that an MPI launcher started: `mpirun -n 4 …`, `srun …`. */

import { hostname } from 'node:os';
import { PareError } from '../base/error.ts';
import { blockOf, type Collective } from './collective.ts';
import { type Handle, type MpiLibrary, openMpiLibrary } from './mpi-library.ts';

export interface MpiOptions {
  /** A collective that takes longer means that a rank died or hangs. Default 300, or the environment's PARE_MPI_TIMEOUT. */
  readonly timeoutSeconds?: number;
}

/** Several threads call MPI, even at once (the roll call beside the call that hangs). */
const THREAD_MULTIPLE = 3;
/** Several threads call MPI, one at a time. */
const THREAD_SERIALIZED = 2;
/** How long ranks have to say that they are there, after one was missed. */
const ROLL_CALL_MS = 1000;
const ROLL_TAG = 1;

/**
 * Joins the group that the launcher made. Once per process: MPI can neither be left and joined again, nor joined twice.
 *
 * Collectives run on a thread of libuv's pool, so JavaScript goes on. Every rank must `end()`, or the launcher reports a failure.
 * Throws   parallel/no-mpi when no MPI is installed; parallel/mpi when it refuses.
 */
export async function openMpi(options: MpiOptions = {}): Promise<Collective & { readonly version: string }> {
  const { timeoutSeconds = Number(process.env['PARE_MPI_TIMEOUT'] ?? 300) } = options;
  const mpi = await openMpiLibrary();
  const number = (call: (out: [number]) => number, what: string): number => {
    const out: [number] = [0];
    check(mpi, call(out), what);
    return out[0];
  };
  if (number((out) => mpi.MPI_Initialized(out), 'MPI_Initialized')) {
    throw new PareError('parallel/mpi', 'MPI was joined before in this process.', { hint: 'pass the collective on' });
  }
  const level = number((out) => mpi.MPI_Init_thread(null, null, THREAD_MULTIPLE, out), 'MPI_Init_thread');
  if (level < THREAD_SERIALIZED) {
    throw new PareError('parallel/mpi', 'This MPI may only be called from one thread.', { got: mpi.version });
  }
  const duplicate = (): Handle => {
    const out: [Handle] = [0];
    check(mpi, mpi.MPI_Comm_dup(mpi.world, out), 'MPI_Comm_dup');
    check(mpi, mpi.MPI_Comm_set_errhandler(out[0], mpi.errorsReturn), 'MPI_Comm_set_errhandler');
    return out[0];
  };
  const comm = duplicate();
  const roll = duplicate();
  const rank = number((out) => mpi.MPI_Comm_rank(comm, out), 'MPI_Comm_rank');
  const size = number((out) => mpi.MPI_Comm_size(comm, out), 'MPI_Comm_size');

  const lost = async (what: string): Promise<PareError> => {
    const missing = level >= THREAD_MULTIPLE ? await rollCall(mpi, roll, rank, size) : undefined;
    const who = !missing
      ? 'A rank'
      : missing.length > 0
        ? `Rank ${missing.join(', rank ')}`
        : 'Nobody is missing, but a rank';
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
  ) => {
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
    version: mpi.version,
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
    end: () => call('the end', mpi.MPI_Finalize.later()),
    abort: (status = 1) => {
      mpi.MPI_Abort(mpi.world, status);
    },
  };
}

/** Who does not answer: every waiting rank tells all others that it is there, and listens for a moment. */
async function rollCall(mpi: MpiLibrary, roll: Handle, rank: number, size: number): Promise<number[]> {
  const others = Array.from({ length: size }, (_, r) => r).filter((r) => r !== rank);
  const here = new Uint8Array(1);
  for (const other of others) void mpi.MPI_Send.later(here, 1, mpi.byte, other, ROLL_TAG, roll).catch(() => undefined);
  const silent = new Set(others);
  for (const until = performance.now() + ROLL_CALL_MS; silent.size > 0 && performance.now() < until; ) {
    for (const other of silent) {
      const found: [number] = [0];
      mpi.MPI_Iprobe(other, ROLL_TAG, roll, found, mpi.statusIgnore);
      if (found[0]) silent.delete(other);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return [...silent];
}

const ERROR_BYTES = 512;

/** Throws parallel/mpi with MPI's words when a call did not succeed. */
function check(mpi: MpiLibrary, code: number, what: string): void {
  if (code === 0) return;
  const text = new Uint8Array(ERROR_BYTES);
  const length: [number] = [0];
  mpi.MPI_Error_string(code, text, length);
  throw new PareError('parallel/mpi', `MPI failed in ${what}.`, {
    got: new TextDecoder().decode(text.subarray(0, length[0])),
    where: mpi.version,
  });
}
