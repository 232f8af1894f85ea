/** The flags of parallel work, and who works as they ask. */

import { PareError } from '../src/base/error.ts';
import type { ParallelWorkers } from '../src/parallel/fit.ts';
import type { OuterName } from '../src/parallel/local-sgd.ts';
import type { BalanceName } from '../src/parallel/pipeline/balance.ts';
import type { ScheduleName } from '../src/parallel/pipeline/schedule.ts';
import { flag, listed, number, oneOf, path, text } from './arg.ts';
import type { Desk } from './desk.ts';

const SCHEDULES: Readonly<Record<ScheduleName, true>> = { '1f1b': true, gpipe: true };
const BALANCES: Readonly<Record<BalanceName, true>> = { cost: true, time: true, memory: true };
const OUTERS: Readonly<Record<OuterName, true>> = { average: true, nesterov: true };

export const parallelArgs = {
  devices: listed(text('Where each copy works: sets of cores, or accelerators (cpu:0-1,cpu:2-3 or cuda:0,cuda:1).')),
  stages: number('Parts that the model is cut into, which work at the same time (pipeline).', { min: 1, whole: true }),
  micro: number('Micro-batches of a pipelined step.', { min: 1, whole: true }),
  pipeline: oneOf(
    SCHEDULES,
    'In which order a stage works on its micro-batches: one forward one backward, or (gpipe) all forward, then all backward.',
    '1f1b',
  ),
  balance: oneOf(
    BALANCES,
    'With --stages: what the parts are made even in, work as counted (default), time as measured here, or memory.',
  ),
  tensor: number('Ranks that each wide layer is split over, by its channels (tensor parallel; needs MPI).', {
    min: 1,
    whole: true,
  }),
  shardUpdate: flag("Each rank keeps the optimiser's state of its share of the weights only (ZeRO, stage 1)."),
  syncNorm: flag('Batch normalisation over the samples of all copies together, as one process would have it.'),
  compressGradients: text(
    'What gradients travel as between ranks: fp16 (half of the bytes), or topk:1% (the largest, the rest later).',
  ),
  syncEvery: number('Updates that each rank makes by itself before they meet (local SGD), for slow links.', {
    min: 1,
    whole: true,
  }),
  outer: oneOf(
    OUTERS,
    "With --sync-every: what a meeting makes of the ranks' weights, a plain average or a step with momentum (DiLoCo).",
    'average',
  ),
  ranks: number('Starts the command as so many ranks, through the installed MPI.', { min: 1, whole: true }),
  hosts: path("With --ranks: the launcher's list of machines."),
  restarts: number('Times that a run which lost a rank begins again from its last checkpoint.', {
    min: 0,
    whole: true,
  }),
} as const;

export interface ParallelValues {
  readonly devices: readonly string[];
  readonly stages: number | undefined;
  readonly micro: number | undefined;
  readonly pipeline: ScheduleName;
  readonly balance: BalanceName | undefined;
  readonly tensor: number | undefined;
  readonly shardUpdate: boolean;
  readonly syncNorm: boolean;
  readonly compressGradients: string | undefined;
  readonly syncEvery: number | undefined;
  readonly outer: OuterName;
}

/** Who trains. Throws usage/value for flags that exclude each other. */
export async function workersOf(
  values: ParallelValues,
  { collective, values: { replicas } }: Desk,
): Promise<ParallelWorkers> {
  const [{ workersFor }, { parseCompression }, { outers }] = await Promise.all([
    import('../src/parallel/fit.ts'),
    import('../src/parallel/compress/index.ts'),
    import('../src/parallel/local-sgd.ts'),
  ]);
  const { devices, stages, micro, balance, shardUpdate, tensor, syncNorm, compressGradients, syncEvery } = values;
  const compress = compressGradients === undefined ? undefined : parseCompression(compressGradients);
  if ((tensor ?? 1) > 1 && collective.size === 1) {
    throw new PareError('usage/value', '--tensor splits layers over ranks, and there is one process.', {
      where: '--tensor',
      hint: `--ranks ${tensor}, or mpirun -n ${tensor} pare train …`,
    });
  }
  for (const [name, value] of Object.entries({ 'compress-gradients': compress, 'sync-every': syncEvery })) {
    if (value === undefined || collective.size > 1) continue;
    throw new PareError('usage/value', `--${name} is about what ranks send each other, and there is one process.`, {
      where: `--${name}`,
      hint: '--ranks 2, or mpirun -n 2 pare train …',
    });
  }
  for (const [name, value] of Object.entries({ micro, balance })) {
    if (value === undefined || stages !== undefined) continue;
    throw new PareError('usage/value', `--${name} belongs to a pipeline.`, {
      where: `--${name}`,
      hint: 'give --stages too',
    });
  }
  return workersFor({
    collective,
    ...(replicas !== undefined && { replicas }),
    ...(devices.length > 0 && { devices }),
    ...(stages !== undefined && { stages }),
    ...(micro !== undefined && { micro }),
    ...(stages !== undefined && { schedule: values.pipeline }),
    ...(balance !== undefined && { balance }),
    ...(shardUpdate && { shardUpdate }),
    ...(tensor !== undefined && { tensor }),
    ...(syncNorm && { syncNorm }),
    ...(compress && { compress }),
    ...(syncEvery !== undefined && { syncEvery, outer: outers[values.outer]() }),
  });
}

/** The ranks of this job as copies that train together; undefined where there is one. */
export async function workersOfRanks({ collective }: Desk): Promise<ParallelWorkers | undefined> {
  if (collective.size === 1) return undefined;
  return (await import('../src/parallel/fit.ts')).workersFor({ collective });
}

/** How the work was shared, for the result; undefined when it was not. */
export function sharingOf(
  { stages = 1, balance = 'cost', tensor = 1, syncNorm, compressGradients, syncEvery }: ParallelValues,
  { replicas = () => 1, traffic, shares }: ParallelWorkers,
  { collective: { size } }: Desk,
) {
  if (replicas() * stages * size === 1) return undefined;
  return {
    ranks: size,
    stages,
    ...(shares?.() && { balance, shares: shares() }),
    tensor,
    replicas: Math.max(1, (replicas() * size) / (stages * tensor)),
    ...(syncNorm && { syncNorm }),
    ...(compressGradients !== undefined && { compressGradients }),
    ...(syncEvery !== undefined && { syncEvery }),
    ...(traffic?.() && { bytesPerUpdate: traffic()!.bytes, uncompressedBytesPerUpdate: traffic()!.plainBytes }),
  };
}
