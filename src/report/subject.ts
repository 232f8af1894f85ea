/** A model as reports look at it: its name, its value, and the file it lies in, if it lies in one. */

import type { Model } from '../graph/model.ts';
import { modelBytes } from '../onnx/index.ts';
import { originOf } from '../onnx/origin.ts';
import type { Session, SessionOptions } from '../runtime/engine.ts';
import type { Lab } from '../runtime/lab.ts';
import { loadModel } from '../runtime/load-model.ts';
import { quirksOf, withBiases } from '../runtime/quirks.ts';

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
export function loadSubject({ model, file }: Subject, lab: Lab, more: SessionOptions = {}): Promise<Session> {
  const config = { ...quirksOf(model), ...more.config };
  const options = { ...(lab.threads !== undefined && { threads: lab.threads }), ...more, config };
  const isAsItLies = file !== undefined && withBiases(model) === model;
  return isAsItLies ? lab.engine.load(file, options) : loadModel(lab.engine, model, options);
}

/** Bytes of the model's file with its external data, or of the file it would make. */
export async function subjectBytes({ model, file }: Subject): Promise<number> {
  if (file === undefined) return modelBytes(model);
  const [{ stat }, { resolve }] = await Promise.all([import('node:fs/promises'), import('node:path')]);
  const files = new Set([resolve(file)]);
  for (const tensor of model.graph.initializers.values()) {
    const path = originOf(tensor)?.place?.path;
    if (path !== undefined) files.add(path);
  }
  const sizes = await Promise.all([...files].map(async (path) => (await stat(path)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
