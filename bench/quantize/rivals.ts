/** onnxruntime.quantization and NNCF, each in a process of its own: static int8 of a model's file on the samples that we calibrate on. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Dataset } from '../../src/data/index.ts';
import type { Model } from '../../src/graph/model.ts';
import { floats } from '../../src/graph/tensor.ts';
import { readModelFile } from '../../src/onnx/index.ts';
import { feedsFor } from '../../src/quantize/observe.ts';
import { pythonWith, startPeer } from '../peer/process.ts';

/** The Python modules that they need. */
export const RIVALS = ['onnxruntime', 'nncf'] as const;

export interface Rival {
  readonly name: string;
  /** Undefined, with a line on stderr, where it refuses the model. `model` is what `file` holds; its only input is fed. */
  quantize(file: string, model: Model, data: Dataset): Promise<{ model: Model; seconds: number } | undefined>;
}

/** Those that are installed, and the names of the others. */
export async function openRivals(
  names: readonly string[] = RIVALS,
): Promise<{ rivals: Rival[]; skipped: string[]; [Symbol.dispose](): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'pare-rivals-'));
  const [samples, out] = [join(folder, 'samples.f32'), join(folder, 'out.onnx')];
  const skipped: string[] = [];
  const rivals: Rival[] = [];
  const ends = [() => rmSync(folder, { recursive: true, force: true })];
  for (const name of names) {
    const python = await pythonWith(name);
    if (!python) {
      skipped.push(name);
      continue;
    }
    const peer = await startPeer(python, ['bench/peers/quantization.py', name]);
    ends.unshift(() => peer.end());
    rivals.push({
      name,
      async quantize(file, model, data) {
        const all = Array.from({ length: data.size }, (_, i) => i);
        const [[input, tensor]] = Object.entries(feedsFor(model.graph, data, all)) as [[string, never]];
        writeFileSync(samples, floats(tensor));
        const { dims } = Object.values(data.inputs)[0]!;
        const answer = await peer.ask({ model: file, input, samples, dims, out });
        if (!answer['error']) return { model: await readModelFile(out), seconds: answer['seconds'] as number };
        console.error(`${name} on ${file}: ${answer['error']}`);
        return undefined;
      },
    });
  }
  return {
    rivals,
    skipped,
    [Symbol.dispose]() {
      for (const end of ends) end();
    },
  };
}
