/** Whether an MPI launcher started this process. */

type Env = Readonly<Record<string, string | undefined>>;

/** What launchers tell the processes that they start: Open MPI, MPICH and its kin (Hydra, MS-MPI), PMIx, SLURM's srun. */
const SIZES = ['OMPI_COMM_WORLD_SIZE', 'PMI_SIZE', 'MV2_COMM_WORLD_SIZE', 'MPI_LOCALNRANKS'] as const;

/**
 * Was this process started by an MPI launcher?
 *
 * A SLURM job step counts when it has several tasks and `srun` was told of an MPI (`--mpi=pmix`, which sets PMIX_RANK or PMI_SIZE).
 */
export const isLaunched = (env: Env = process.env): boolean =>
  SIZES.some((name) => Number(env[name]) > 0) || env['PMIX_RANK'] !== undefined;
