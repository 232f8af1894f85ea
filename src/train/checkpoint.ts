/** Everything that a training run still needs, in one file, so that a run that was killed goes on as if it had not been. */

import { PareError } from '../base/error.ts';
import type { RunIdentity } from './identity.ts';
import type { PlateauState } from './schedule/plateau.ts';
import { readTensorFile, type StoredArray, type StreamedArray, writeTensorFile } from './tensor-file.ts';

export interface CheckpointOptions {
  /** Folder of the run; it holds `checkpoint.safetensors`. */
  readonly folder: string;
  /** Updates between two checkpoints. Default: one after every epoch. */
  readonly everySteps?: number;
  /** Seconds between two checkpoints. Default: one after every epoch. */
  readonly everySeconds?: number;
}

export interface EpochReport {
  /** From 0. */
  readonly epoch: number;
  /** Mean over the epoch's steps. */
  readonly loss: number;
  readonly metric?: { readonly name: string; readonly value: number };
  readonly samplesPerSecond: number;
}

/** How far a run is, besides its tensors: a plain record. */
export interface Position {
  readonly epoch: number;
  /** Updates made in this epoch. */
  readonly step: number;
  /** Of this epoch's updates so far. */
  readonly lossSum: number;
  /** Of the first update of all. */
  readonly firstLoss?: number;
  readonly epochs: readonly EpochReport[];
  readonly best?: { readonly value: number; readonly epoch: number };
  readonly plateau?: PlateauState;
  /** What a race of optimisers chose. */
  readonly choice?: { readonly name: string; readonly why: string } | undefined;
  /** Early stopping has spoken. */
  readonly isOver: boolean;
  /** Spent on training so far. */
  readonly seconds: number;
  /** The optimiser's step and its state that is one number for all weights. */
  readonly optimizer: { readonly t: number; readonly scalars: Readonly<Record<string, number>> };
}

/**
 * A run at rest. Arrays are named `w/WEIGHT`, `held/WEIGHT` (frozen weights and running statistics), `best/WEIGHT` and
 * `slot/SLOT/WEIGHT` (the optimiser's).
 */
export interface Checkpoint {
  readonly identity: RunIdentity;
  readonly position: Position;
  readonly arrays: ReadonlyMap<string, StoredArray>;
}

const FORMAT = 'pare-checkpoint 1';
export const checkpointPath = (folder: string): string => `${folder.replace(/[/\\]+$/, '')}/checkpoint.safetensors`;

/** Writes a checkpoint in place of the folder's last one, at once or not at all. */
export const saveCheckpoint = (
  folder: string,
  {
    identity,
    position,
    arrays,
  }: Omit<Checkpoint, 'arrays'> & { readonly arrays: ReadonlyMap<string, StoredArray | StreamedArray> },
): Promise<void> =>
  writeTensorFile(checkpointPath(folder), {
    arrays,
    metadata: { format: FORMAT, identity: JSON.stringify(identity), position: JSON.stringify(position, fromNumber) },
  });

/**
 * The folder's checkpoint; undefined when it has none.
 *
 * Throws   train/checkpoint when the file is damaged or was not written by `fit`.
 */
export async function loadCheckpoint(folder: string): Promise<Checkpoint | undefined> {
  const path = checkpointPath(folder);
  const file = await readTensorFile(path);
  if (!file) return undefined;
  const { format, identity, position } = file.metadata;
  if (format !== FORMAT || !identity || !position) {
    throw new PareError('train/checkpoint', `"${path}" was not written by this version's training.`, {
      where: path,
      expected: FORMAT,
      got: format ?? 'no format',
    });
  }
  return { identity: JSON.parse(identity), position: JSON.parse(position, toNumber), arrays: file.arrays };
}

/** JSON has no NaN and no infinities. */
const fromNumber = (_: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isFinite(value) ? { number: `${value}` } : value;
const toNumber = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'number' in value ? Number(value.number) : value;
