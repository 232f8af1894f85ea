/** A model into a file, in the versions that its own file spoke. */

import type { Model } from '../graph/model.ts';
import { type WriteOptions, type WrittenFile, writeModelFile } from '../onnx/write-file.ts';
import { inOwnOpset, type Raised } from '../ops/own-opset.ts';

/** The files that were written, the model first. */
export interface Saved {
  readonly files: readonly WrittenFile[];
  /** Why the model does not speak the opset of the file it was read from, where it does not. */
  readonly raised?: Raised;
}

/**
 * Writes the model, all or nothing, in the opset and IR version of the file it was read from, or in the lowest opset above
 * that can say what it holds.
 *
 * Throws   what writeModelFile throws.
 */
export async function saveModel(file: string, model: Model, options: WriteOptions = {}): Promise<Saved> {
  const { model: settled, raised } = inOwnOpset(model);
  return { files: await writeModelFile(file, settled, options), ...(raised && { raised }) };
}

/** "opset 13 instead of 11: DequantizeLinear "w": it has a scale for each channel" */
export const raisedInWords = ({ from, to, why }: Raised): string => `opset ${to} instead of ${from}: ${why}`;
