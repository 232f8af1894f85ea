/** What a search has found so far, on disk: a line for each measurement, a file for each model. So a search that stopped goes on. */

import type { Model } from '../graph/model.ts';
import { readModelFile } from '../onnx/index.ts';
import { saveModel } from '../runtime/save-model.ts';

/** Where measurements and models are kept, by key. Once written, an entry never changes. */
export interface Journal {
  get(key: string): unknown;
  put(key: string, value: unknown): Promise<void>;
  model(key: string): Promise<Model | undefined>;
  keep(key: string, model: Model): Promise<void>;
  /** Entries that were there when it was opened. */
  readonly found: number;
}

/** A journal that ends with the process. */
export function memoryJournal(entries: Iterable<readonly [string, unknown]> = []): Journal {
  const values = new Map(entries);
  const models = new Map<string, Model>();
  return {
    found: values.size,
    get: (key) => values.get(key),
    async put(key, value) {
      values.set(key, value);
    },
    async model(key) {
      return models.get(key);
    },
    async keep(key, model) {
      models.set(key, model);
    },
  };
}

/** A journal in a folder, which is made. A last line that was cut off by a crash is dropped. */
export async function openJournal(folder: string): Promise<Journal> {
  const fs = await import('node:fs/promises');
  const { join } = await import('node:path');
  await fs.mkdir(folder, { recursive: true });
  const file = join(folder, 'journal.jsonl');
  const lines = (await fs.readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1);
  const memory = memoryJournal(lines.flatMap(entryOf));
  if (lines.length > 0) await fs.writeFile(file, `${lines.join('\n')}\n`);
  const place = (key: string): string => join(folder, `${key}.onnx`);
  return {
    ...memory,
    async put(key, value) {
      await memory.put(key, value);
      await fs.appendFile(file, `${JSON.stringify({ key, value })}\n`);
    },
    async model(key) {
      const isThere = await fs.access(place(key)).then(
        () => true,
        () => false,
      );
      return (await memory.model(key)) ?? (isThere ? readModelFile(place(key)) : undefined);
    },
    async keep(key, model) {
      await memory.keep(key, model);
      await saveModel(place(key), model);
    },
  };
}

function entryOf(line: string): [string, unknown][] {
  try {
    const { key, value } = JSON.parse(line) as { key: string; value: unknown };
    return [[key, value]];
  } catch {
    return [];
  }
}

/** SHA-256 of texts and bytes, as hexadecimal digits. */
export async function digest(...parts: readonly (string | Uint8Array)[]): Promise<string> {
  const blob = new Blob(parts.map((part) => (typeof part === 'string' ? part : new Uint8Array(part))));
  const hash = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
