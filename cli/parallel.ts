/** The flags of parallel work, and who works as they ask. */

import { PareError } from '../src/base/error.ts';
import type { Among } from '../src/report/evaluate.ts';
import type { Workers } from '../src/train/workers.ts';
import { flag, listed, number, path, text } from './arg.ts';
import type { Desk } from './desk.ts';

export const parallelArgs = {
  replicas: number(
    'Copies of the model that learn at the same time in this process; --batch counts the samples of all. Default: as many as pay.',
    {
      min: 1,
      whole: true,
    },
  ),
  devices: listed(text('Where each copy works: sets of cores, or accelerators (cpu:0-1,cpu:2-3 or cuda:0,cuda:1).')),
  stages: number('Parts that the model is cut into, which work at the same time (pipeline).', { min: 1, whole: true }),
  micro: number('Micro-batches of a pipelined step.', { min: 1, whole: true }),
  tensor: number('Ranks that each wide layer is split over, by its channels (tensor parallel; needs MPI).', {
    min: 1,
    whole: true,
  }),
  shardUpdate: flag("Each rank keeps the optimiser's state of its share of the weights only (ZeRO, stage 1)."),
  ranks: number('Starts the command as so many ranks, through the installed MPI.', { min: 1, whole: true }),
  hosts: path("With --ranks: the launcher's list of machines."),
  restarts: number('Times that a run which lost a rank begins again from its last checkpoint.', {
    min: 0,
    whole: true,
  }),
} as const;

export interface ParallelValues {
  readonly replicas: number | undefined;
  readonly devices: readonly string[];
  readonly stages: number | undefined;
  readonly micro: number | undefined;
  readonly tensor: number | undefined;
  readonly shardUpdate: boolean;
}

/** Who trains. Throws usage/value for flags that exclude each other. */
export async function workersOf(values: ParallelValues, { collective }: Desk): Promise<Workers> {
  const { workersFor } = await import('../src/parallel/fit.ts');
  const { replicas, devices, stages, micro, shardUpdate, tensor } = values;
  if ((tensor ?? 1) > 1 && collective.size === 1) {
    throw new PareError('usage/value', '--tensor splits layers over ranks, and there is one process.', {
      where: '--tensor',
      hint: `--ranks ${tensor}, or mpirun -n ${tensor} pare train …`,
    });
  }
  if (micro !== undefined && stages === undefined) {
    throw new PareError('usage/value', '--micro belongs to a pipeline.', {
      where: '--micro',
      hint: 'give --stages too',
    });
  }
  return workersFor({
    collective,
    ...(replicas !== undefined && { replicas }),
    ...(devices.length > 0 && { devices }),
    ...(stages !== undefined && { stages }),
    ...(micro !== undefined && { micro }),
    ...(shardUpdate && { shardUpdate }),
    ...(tensor !== undefined && { tensor }),
  });
}

/** How the work was shared, for the result; undefined when it was not. */
export function sharingOf(
  { stages = 1, tensor = 1 }: ParallelValues,
  { replicas = () => 1 }: Workers,
  { collective: { size } }: Desk,
) {
  if (replicas() * stages * size === 1) return undefined;
  return { ranks: size, stages, tensor, replicas: Math.max(1, (replicas() * size) / (stages * tensor)) };
}

/** The ranks of this job as those who score together. */
export async function amongRanks({ collective }: Desk): Promise<Among> {
  const { broadcastNumbers } = await import('../src/parallel/tell.ts');
  const { rank, size } = collective;
  return {
    rank,
    size,
    spread: async (outputs, from) => (size === 1 ? outputs! : broadcastNumbers(collective, outputs, from)),
  };
}
