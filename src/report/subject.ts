/** A model as reports look at it: its name, its value, and the file it lies in, if it lies in one. */

import type { Model } from '../graph/model.ts';
import { writeModel } from '../onnx/index.ts';
import { originOf } from '../onnx/origin.ts';
import type { Session, SessionOptions } from '../runtime/engine.ts';
import type { Lab } from '../runtime/lab.ts';

export interface Subject {
  readonly name: string;
  readonly model: Model;
  /** Where it lies on disk, unchanged. External data is then read by the engine itself. */
  readonly file?: string;
}

/**
 * The model in the lab's engine.
 *
 * Throws   engine/load with the engine's words; what writeModel throws for a model that is not in a file.
 */
export const loadSubject = ({ model, file }: Subject, lab: Lab, options: SessionOptions = {}): Promise<Session> =>
  lab.engine.load(file ?? writeModel(model), {
    ...(lab.threads !== undefined && { threads: lab.threads }),
    ...options,
  });

/** Bytes of the model's file with its external data, or of the file it would make. */
export async function subjectBytes({ model, file }: Subject): Promise<number> {
  if (file === undefined) return writeModel(model).length;
  const { stat } = await import('node:fs/promises');
  const beside = new Set<string>();
  for (const tensor of model.graph.initializers.values()) {
    const path = originOf(tensor)?.place?.path;
    if (path !== undefined) beside.add(path);
  }
  const sizes = await Promise.all([file, ...beside].map(async (path) => (await stat(path)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
