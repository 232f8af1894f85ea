/** What a run is, told by what it does: a checkpoint of one run is of no use to another. */

import { crc32c } from '../base/crc32c.ts';
import { PareError } from '../base/error.ts';
import { batchDims, type Dataset, LABELS } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import { elements, zeros } from '../graph/tensor.ts';
import type { Lab } from '../runtime/index.ts';
import { checkpointPath } from './checkpoint.ts';
import { learningForm } from './learning-form.ts';
import type { Loss } from './loss/loss.ts';
import { createArena } from './optim/arena.ts';
import type { ParameterGroup } from './optim/execute.ts';
import type { Optimizer } from './optim/transform.ts';
import { engineBytes, withLoss } from './program.ts';
import { rateAt } from './schedule/schedule.ts';

/** Each a few words or a sum over what cannot be said in words; the names complete "a run with another …". */
export interface RunIdentity {
  readonly seed: number;
  readonly batch: number;
  readonly accumulate: number;
  /** Updates of an epoch, and the first batch as the first epoch shows it, augmentation included. */
  readonly 'set of samples': string;
  readonly model: string;
  readonly loss: string;
  /** Which weights learn, and the groups that they are in. */
  readonly 'choice of weights': string;
  readonly optimizer: string;
  /** The rates of updates 0, 1, 3, 7, … */
  readonly schedule: string;
}

export interface RunParts {
  readonly batch: number;
  readonly accumulate: number;
  readonly updatesPerEpoch: number;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  readonly learns: (name: string) => boolean;
  readonly groups: readonly ParameterGroup[];
}

/** Samples looked at, from all over the set. */
const LOOK = 8;
/** Rates are told for so many updates, each twice as far as the one before. */
const RATES = 16;

/** The identity of a run; the same in every process that takes part, however many they are. */
export async function identityOf(model: Model, data: Dataset, parts: RunParts, lab: Lab): Promise<RunIdentity> {
  const { batch, accumulate, updatesPerEpoch, loss, optimizer, learns, groups } = parts;
  const samples = Object.fromEntries(Object.entries(data.inputs).map(([name, { dims }]) => [name, dims]));
  const { graph, weights } = learningForm(model, { batch, samples });
  const groupOf = (name: string): Omit<ParameterGroup, 'match'> => {
    const { match: _, ...rest } = groups.find(({ match }) => match(name)) ?? { match };
    return rest;
  };
  const chosen = [...weights.keys()].map((name) => [name, learns(name), groupOf(name)]);
  const updates = Array.from({ length: RATES }, (_, i) => 2 ** i - 1);
  const rates = optimizer.links.map(({ lr, active }) =>
    updates.map((t) => [active?.(t + 1) ?? true, lr === undefined ? 0 : rateAt(lr, t).toPrecision(6)]),
  );
  return {
    seed: lab.seed ?? 0,
    batch,
    accumulate,
    'set of samples': `${updatesPerEpoch} updates of ${sum(await look(data))}`,
    model: sum(engineBytes(graph)),
    loss: sum(engineBytes(withLoss(graph, loss, batch).graph)),
    'choice of weights': sum(encode(chosen)),
    optimizer: `${optimizer.name} ${sum(encode(await trial(optimizer, lab)))}`,
    schedule: sum(encode(rates)),
  };
}

const match = (): boolean => true;
const sum = (bytes: Uint8Array): string => crc32c(bytes).toString(16);
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** Some samples as the first epoch shows them. */
async function look(data: Dataset): Promise<Uint8Array> {
  const seen = data.atEpoch?.(0) ?? data;
  const rows = Int32Array.from({ length: LOOK }, (_, i) => Math.floor((i * data.size) / LOOK));
  await seen.prepare?.(rows);
  const columns = { ...seen.inputs, ...(seen.labels && { [LABELS]: seen.labels }) };
  const all = Object.entries(columns).map(([name, column]) => {
    const t = zeros(column.dtype, batchDims(column, LOOK));
    seen.fill(name, rows, elements(t));
    return sum(t.bytes);
  });
  return encode(all);
}

/** What three updates do to a small matrix and a vector. */
async function trial(optimizer: Optimizer, lab: Lab): Promise<string[]> {
  const dims = { matrix: [4, 4], vector: [4] };
  const specs = Object.entries(dims).map(([name, dims]) => ({
    name,
    dims,
    length: dims.reduce((n, dim) => n * dim, 1),
  }));
  const arena = createArena(specs, { slots: optimizer.slots });
  arena.segment('w').forEach((_, i, w) => {
    w[i] = Math.sin(i + 1);
  });
  const running = optimizer.start(arena, { lab });
  for (let t = 1; t <= 3; t++) {
    arena.segment('g').forEach((_, i, g) => {
      g[i] = 3 * Math.cos(i * t);
    });
    await running.step({ lr: 0.01 });
  }
  return specs.flatMap(({ name }) =>
    ['w', ...optimizer.slots].flatMap((slot) => Array.from(arena.view(slot, name), (x) => x.toPrecision(4))),
  );
}

/** Throws train/resume, naming the first thing in which the checkpoint's run differs. */
export function checkIdentity(folder: string, saved: RunIdentity, now: RunIdentity): void {
  for (const [key, value] of Object.entries(now)) {
    const before = saved[key as keyof RunIdentity];
    if (before === value) continue;
    throw new PareError('train/resume', `The checkpoint in "${folder}" belongs to a run with another ${key}.`, {
      where: checkpointPath(folder),
      expected: `${before}`,
      got: `${value}`,
      hint: 'go on with the same options, or begin anew in another folder',
    });
  }
}
