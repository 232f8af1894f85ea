/** Finds the installed MPI, and calls it as its binary interface wants. */

import { PareError } from '../base/error.ts';
import type { Koffi } from '../runtime/native/api.ts';
import { firstLine, loadKoffi } from '../runtime/native/koffi.ts';
import { type Abi, abiOf, type Handle } from './mpi-abi.ts';

export type { Handle } from './mpi-abi.ts';

type Library = ReturnType<Koffi['load']>;

type Argument = Handle | ArrayBufferView | null | unknown[];
export interface MpiFunction {
  (...args: Argument[]): number;
  /** The same on a thread of libuv's pool. The arguments stay referenced until it settles. */
  later(...args: Argument[]): Promise<number>;
}

const FUNCTIONS = {
  MPI_Init_thread: 'ptr ptr int outInt',
  MPI_Initialized: 'outInt',
  MPI_Comm_rank: 'comm outInt',
  MPI_Comm_size: 'comm outInt',
  MPI_Comm_dup: 'comm outComm',
  MPI_Comm_split: 'comm int int outComm',
  MPI_Comm_set_errhandler: 'comm errors',
  MPI_Allreduce: 'ptr ptr int type op comm',
  MPI_Reduce_scatter: 'ptr ptr ptr type op comm',
  MPI_Allgatherv: 'ptr int type ptr ptr ptr type comm',
  MPI_Alltoall: 'ptr int type ptr int type comm',
  MPI_Bcast: 'ptr int type int comm',
  MPI_Barrier: 'comm',
  MPI_Send: 'ptr int type int int comm',
  MPI_Recv: 'ptr int type int int comm ptr',
  MPI_Iprobe: 'int int comm outInt ptr',
  MPI_Error_string: 'int ptr outInt',
  MPI_Finalize: '',
  MPI_Abort: 'comm int',
} as const;

export type Functions = { readonly [name in keyof typeof FUNCTIONS]: MpiFunction };

/** An MPI at hand: its functions, and what its header's constants are. */
export interface MpiLibrary extends Functions, Abi {
  /** Such as "Open MPI v4.1.4". */
  readonly version: string;
}

/** Library names to try, those of the launcher that started this process first. */
function candidates(env: NodeJS.ProcessEnv): string[] {
  const own = env['PARE_MPI'] ? [env['PARE_MPI']] : [];
  const open = ['libmpi.so.40', 'libmpi.40.dylib'];
  const mpich = ['libmpich.so.12', 'libmpi.so.12', 'libmpi.12.dylib', 'msmpi.dll'];
  const standard = ['libmpi_abi.so.1', 'libmpi_abi.1.dylib', 'libmpi_abi.so'];
  const first = 'OMPI_COMM_WORLD_SIZE' in env ? [...open, ...standard, ...mpich] : [...mpich, ...standard, ...open];
  return [...own, ...first, 'libmpi.so', 'libmpi.dylib'];
}

const VERSION_BYTES = 8192;

/**
 * Loads the MPI that is installed: PARE_MPI (a path) if set, else the launcher's kind, else any.
 *
 * Throws   parallel/no-mpi when none can be loaded.
 */
export async function openMpiLibrary(env: NodeJS.ProcessEnv = process.env): Promise<MpiLibrary> {
  const koffi = await loadKoffi();
  calmUcx(env);
  const tried: string[] = [];
  for (const name of candidates(env)) {
    let library: Library;
    try {
      // Global: plug-ins that an MPI loads later look for its symbols.
      library = koffi.load(name, { global: true });
    } catch (error) {
      tried.push(firstLine(error));
      continue;
    }
    const text = new Uint8Array(VERSION_BYTES);
    const length: [number] = [0];
    library.func('MPI_Get_library_version', 'int', ['void *', koffi.out(koffi.pointer('int'))])(text, length);
    const version = new TextDecoder()
      .decode(text.subarray(0, length[0]))
      .split(/[\n,\0]/)[0]!
      .trim();
    const abi = abiOf({
      version,
      abiVersion: abiVersionOf(library, koffi),
      address: (symbol) => BigInt(koffi.address(library.symbol(symbol, 'char'))),
    });
    const outOf = (type: string) => koffi.out(koffi.pointer(type));
    const types: Record<string, ReturnType<typeof outOf> | string> = {
      ptr: 'void *',
      int: 'int',
      comm: abi.handle,
      type: abi.handle,
      op: abi.handle,
      errors: abi.handle,
      outInt: outOf('int'),
      outComm: outOf(abi.handle),
    };
    const bind = ([symbol, kinds]: [string, string]): [string, MpiFunction] => {
      const native = library.func(
        symbol,
        'int',
        kinds
          .split(' ')
          .filter(Boolean)
          .map((kind) => types[kind]!),
      );
      return [symbol, Object.assign((...args: Argument[]) => native(...args) as number, { later: later(native) })];
    };
    const functions = Object.fromEntries(Object.entries(FUNCTIONS).map(bind)) as unknown as Functions;
    return { ...functions, ...abi, version };
  }
  throw new PareError('parallel/no-mpi', 'No MPI library could be loaded.', {
    expected: 'Open MPI or MPICH where the system finds libraries',
    got: tried.at(-1) ?? 'nothing',
    hint: 'set PARE_MPI to the path of libmpi.so',
  });
}

/** The version of the standard ABI that a library speaks; it may be asked before it is joined. */
function abiVersionOf(library: Library, koffi: Koffi): number | undefined {
  const [major, minor]: [[number], [number]] = [[0], [0]];
  const out = koffi.out(koffi.pointer('int'));
  try {
    library.func('MPI_Abi_get_version', 'int', [out, out])(major, minor);
  } catch {
    return undefined; // older than MPI 5
  }
  return major[0];
}

/** Calls in flight keep their arguments from the garbage collector. */
const inFlight = new Set<unknown>();

const later =
  (native: { async: (...args: never[]) => void }) =>
  (...args: Argument[]): Promise<number> =>
    new Promise((resolve, reject) => {
      inFlight.add(args);
      // Touched, a short array moves out of V8's heap, where the collector would move it meanwhile.
      for (const arg of args) if (ArrayBuffer.isView(arg)) void arg.buffer;
      const settle = (error: unknown, result: number): void => {
        inFlight.delete(args);
        if (error) reject(error);
        else resolve(result);
      };
      (native.async as (...all: unknown[]) => void)(...args, settle);
    });

const ERROR_BYTES = 512;

/** Throws parallel/mpi with MPI's words when a call did not succeed. */
export function check(mpi: MpiLibrary, code: number, what: string): void {
  if (code === 0) return;
  const text = new Uint8Array(ERROR_BYTES);
  const length: [number] = [0];
  mpi.MPI_Error_string(code, text, length);
  throw new PareError('parallel/mpi', `MPI failed in ${what}.`, {
    got: new TextDecoder().decode(text.subarray(0, length[0])),
    where: mpi.version,
  });
}

/** What a call leaves in its last argument. */
export function outNumber(mpi: MpiLibrary, call: (out: [number]) => number, what: string): number {
  const out: [number] = [0];
  check(mpi, call(out), what);
  return out[0];
}

/** A handle that a call leaves in its last argument. */
export function outHandle(mpi: MpiLibrary, call: (out: [Handle]) => number, what: string): Handle {
  const out: [Handle] = [0];
  check(mpi, call(out), what);
  return out[0];
}

/**
 * Where MPI runs on UCX: no hooks in the process's memory calls, which break under V8's just-in-time code, and no signal handlers
 * over Node's. What the user set stays.
 */
function calmUcx(env: NodeJS.ProcessEnv): void {
  env['UCX_MEM_MMAP_HOOK_MODE'] ??= 'none';
  env['UCX_ERROR_SIGNALS'] ??= '';
}
