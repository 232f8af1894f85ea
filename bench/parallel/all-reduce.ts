/**
 * All-reduce bandwidth over sizes, beside a copy of the same bytes: two ranks in one process, then two through the installed MPI, where
 * MPI's own blocking call stands beside ours.   `npm run bench:parallel -- allreduce [--json]`
 *
 *   bandwidth = bytes of the array / time of one all-reduce; the three take turns, medians of 7
 */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { launcher } from '../../cli/supervise.ts';
import type { Collective } from '../../src/parallel/collective.ts';
import { asRank } from '../../src/parallel/join.ts';
import { isLaunched } from '../../src/parallel/launched.ts';
import { localGroup } from '../../src/parallel/local.ts';
import { openMpiLibrary } from '../../src/parallel/mpi-library.ts';
import { quantile } from '../../src/runtime/index.ts';

const SIZES = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 2e8];
const ROUNDS = 7;
const RANKS = 2;

interface Row {
  readonly bytes: number;
  readonly allReduceMs: number;
  /** MPI_Allreduce on the same array, called on JavaScript's own thread. */
  readonly mpiMs?: number;
  readonly copyMs: number;
}

/** Times of each way of moving an array, taking turns. */
async function measure(group: Collective, direct?: (values: Float32Array) => void): Promise<Row[]> {
  const rows = [];
  for (const bytes of SIZES) {
    const values = new Float32Array(bytes / 4).fill(1e-3);
    const other = new Float32Array(values.length);
    const inner = Math.max(1, Math.min(200, Math.floor(2e7 / bytes)));
    const ways: Record<string, (() => void) | (() => Promise<void>)> = {
      allReduceMs: () => group.allReduce(values),
      ...(direct && { mpiMs: () => direct(values) }),
      copyMs: () => other.set(values),
    };
    const times = new Map(Object.keys(ways).map((name) => [name, [] as number[]]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, once] of Object.entries(ways)) {
        values.fill(1e-3);
        await group.barrier();
        const started = performance.now();
        for (let i = 0; i < inner; i++) await once();
        times.get(name)!.push((performance.now() - started) / inner);
      }
    }
    const medians = [...times].map(([name, list]) => [name, quantile(list, 0.5)]);
    rows.push({ bytes, ...Object.fromEntries(medians) } as Row);
  }
  return rows;
}

const perSecond = (bytes: number, ms: number | undefined): string =>
  ms === undefined ? '' : `${(bytes / 1e6 / ms).toFixed(3)} GB/s`;

function show(title: string, rows: readonly Row[]): void {
  console.log(title);
  for (const { bytes, allReduceMs, mpiMs, copyMs } of rows) {
    const mpi = mpiMs === undefined ? '' : `  MPI's own ${perSecond(bytes, mpiMs).padStart(12)}`;
    console.log(
      `  ${`${bytes / 1e3} kB`.padStart(10)}  all-reduce ${perSecond(bytes, allReduceMs).padStart(12)} (${allReduceMs.toFixed(3)} ms)${mpi}  copy ${perSecond(bytes, copyMs).padStart(12)}`,
    );
  }
}

if (isLaunched()) {
  const mpi = await openMpiLibrary();
  await asRank(async (group) => {
    const direct = (values: Float32Array): void =>
      void mpi.MPI_Allreduce(mpi.inPlace, values, values.length, mpi.float, mpi.sum, mpi.world);
    const rows = await measure(group, direct);
    if (group.rank === 0) console.log(JSON.stringify({ version: mpi.version, rows }));
  });
} else {
  const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } }, allowPositionals: true });
  const [local] = await Promise.all(localGroup(RANKS).map((group) => measure(group)));
  let mpi: { version: string; rows: Row[] } | undefined;
  let skipped: string | undefined;
  try {
    const [command, ...words] = launcher(`${RANKS}`, undefined, process);
    const env = { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };
    const self = [process.execPath, fileURLToPath(import.meta.url)];
    const { stdout, stderr } = spawnSync(command!, [...words, ...self], { encoding: 'utf8', env });
    const line = stdout.split('\n').find((text) => text.startsWith('{'));
    if (!line) throw new Error(stderr.split('\n')[0]);
    mpi = JSON.parse(line) as { version: string; rows: Row[] };
  } catch (error) {
    skipped = (error as Error).message;
  }
  if (values.json)
    console.log(JSON.stringify({ ranks: RANKS, local, mpi, ...(skipped && { skipped: { mpi: skipped } }) }));
  else {
    show(`${RANKS} ranks in one process`, local!);
    if (mpi) show(`${RANKS} ranks, ${mpi.version}`, mpi.rows);
    else console.log(`skipped MPI: ${skipped}`);
  }
}
