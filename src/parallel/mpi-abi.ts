/** What the constants of `mpi.h` are in each binary interface: handles are numbers in MPICH, addresses of symbols in Open MPI, small pointers in the standard. */

/** Whatever stands for a communicator, a type or an operation. */
export type Handle = number | bigint;

export interface Abi {
  /** C type of every handle. */
  readonly handle: string;
  readonly world: Handle;
  readonly float: Handle;
  readonly byte: Handle;
  readonly sum: Handle;
  readonly errorsReturn: Handle;
  /** Pointers that are really flags, as addresses. */
  readonly inPlace: bigint;
  readonly statusIgnore: bigint;
  readonly anySource: number;
  /** Several threads call MPI, one at a time; at once. */
  readonly threads: { readonly serialized: number; readonly multiple: number };
}

const ALL_ONES = 2n ** 64n - 1n;
const THREADS = { serialized: 2, multiple: 3 };

/** MPICH, Intel MPI, MVAPICH, Cray MPI: the common MPICH ABI. Source: mpi.h of MPICH 4. */
export const mpich: Abi = {
  handle: 'int',
  world: 0x44000000,
  float: 0x4c00040a,
  byte: 0x4c00010d,
  sum: 0x58000003,
  errorsReturn: 0x54000001,
  inPlace: ALL_ONES,
  statusIgnore: 1n,
  anySource: -2,
  threads: THREADS,
};

/** Open MPI: every handle is the address of a variable. Source: mpi.h of Open MPI 4. */
export const openMpi = (address: (symbol: string) => bigint): Abi => ({
  handle: 'void *',
  world: address('ompi_mpi_comm_world'),
  float: address('ompi_mpi_float'),
  byte: address('ompi_mpi_byte'),
  sum: address('ompi_mpi_op_sum'),
  errorsReturn: address('ompi_mpi_errors_return'),
  inPlace: 1n,
  statusIgnore: 0n,
  anySource: -1,
  threads: THREADS,
});

/** The standard ABI of MPI 5.0, version 1. Source: MPI 5.0, chapter 20 and appendix A; mpi_abi.h of MPICH 5. */
export const standard: Abi = {
  handle: 'void *',
  world: 0x101n,
  float: 0x210n,
  byte: 0x247n,
  sum: 0x21n,
  errorsReturn: 0x143n,
  inPlace: 1n,
  statusIgnore: 0n,
  anySource: -1,
  threads: { serialized: 2048, multiple: 4096 },
};

/** What a loaded library tells about itself. */
export interface Told {
  /** Its own words, such as "Open MPI v4.1.4". */
  readonly version: string;
  /** The version of the standard ABI that it speaks; undefined, or below 1, for none. */
  readonly abiVersion: number | undefined;
  readonly address: (symbol: string) => bigint;
}

/** The binary interface of a library. A library of the standard's may be anybody's, so its words come second. */
export function abiOf({ version, abiVersion = 0, address }: Told): Abi {
  if (abiVersion >= 1) return standard;
  return version.includes('Open MPI') ? openMpi(address) : mpich;
}
