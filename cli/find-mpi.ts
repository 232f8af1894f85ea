/** Is MPI installed? Looks for its launcher and its library where systems put them; loads and runs nothing. */

import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface Mpi {
  /** Both the launcher and the library are there. */
  readonly available: boolean;
  readonly mpirun: string | null;
  readonly library: string | null;
  /** Told by the names of the library's neighbours. */
  readonly implementation: 'Open MPI' | 'MPICH' | null;
}

const LAUNCHERS = ['mpirun', 'mpiexec', 'mpiexec.exe'];
const LIBRARY = /^lib(mpi|mpich|mpi_abi)\.(so(\.\d+)*|dylib)$|^msmpi\.dll$/;

/** What a search path of the system's loader, and the usual homes, hold. */
export function findMpi(env: Readonly<Record<string, string | undefined>>): Mpi {
  const folders = (text: string | undefined): string[] => text?.split(delimiter).filter(Boolean) ?? [];
  const mpirun =
    folders(env['PATH'])
      .flatMap((folder) => LAUNCHERS.map((name) => join(folder, name)))
      .find((file) => existsSync(file)) ?? null;
  const homes = [
    ...folders(env['LD_LIBRARY_PATH']),
    ...folders(env['DYLD_LIBRARY_PATH']),
    ...(mpirun ? [join(mpirun, '..', '..', 'lib'), join(mpirun, '..', '..', 'lib64')] : []),
    '/usr/lib',
    '/usr/lib64',
    '/usr/local/lib',
    '/opt/homebrew/lib',
    '/usr/lib/x86_64-linux-gnu',
    '/usr/lib/aarch64-linux-gnu',
    '/usr/lib64/openmpi/lib',
    '/usr/lib64/mpich/lib',
    ...(env['SystemRoot'] ? [join(env['SystemRoot'], 'System32')] : []),
  ];
  let library: string | null = null;
  let implementation: Mpi['implementation'] = null;
  for (const home of homes) {
    const names = listed(home);
    const name = names.find((entry) => LIBRARY.test(entry));
    if (name === undefined) continue;
    library = join(home, name);
    if (names.some((entry) => entry.startsWith('libopen-rte') || entry.startsWith('libopen-pal'))) {
      implementation = 'Open MPI';
    } else if (names.some((entry) => entry.startsWith('libmpich'))) implementation = 'MPICH';
    break;
  }
  return { available: mpirun !== null && library !== null, mpirun, library, implementation };
}

const listed = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return []; // not there, or not ours to read: nothing is found in it
  }
};
