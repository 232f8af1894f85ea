/** One workload over 2 MPI ranks in every way of `ranks.ts`: copies, pipeline, split layers. */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findMpi } from '../../cli/find-mpi.ts';

export interface Way {
  readonly name: string;
  readonly samplesPerSecond: number;
  readonly msPerStep: number;
  readonly predictedMs?: number;
}

const RANKS = fileURLToPath(new URL('ranks.js', import.meta.url));

/** Throws an error that says why where no MPI is installed or the ranks fail. */
export function splitOver2(workload: string, steps: number): Way[] {
  const { mpirun } = findMpi(process.env);
  if (mpirun === null) throw new Error('no mpirun found');
  const isOpen = /Open MPI|OpenRTE/.test(spawnSync(mpirun, ['--version'], { encoding: 'utf8' }).stdout ?? '');
  const binding = isOpen ? ['--allow-run-as-root', '--oversubscribe', '--bind-to', 'none'] : [];
  const words = [
    ...binding,
    '-n',
    '2',
    process.execPath,
    RANKS,
    '--workload',
    workload,
    '--steps',
    `${steps}`,
    '--json',
  ];
  const { status, stdout, stderr } = spawnSync(mpirun, words, { encoding: 'utf8' });
  const line = stdout.split('\n').findLast((each) => each.startsWith('{'));
  if (status !== 0 || line === undefined) throw new Error(stderr.trim().split('\n').at(-1) || 'the ranks failed');
  return (JSON.parse(line) as { ways: Way[] }).ways;
}
