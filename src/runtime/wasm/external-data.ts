/** Weights that lie beside a model file, for an engine that cannot open files itself. */

import { PareError } from '../../base/error.ts';

export interface ExternalFile {
  /** As the model spells it. */
  readonly path: string;
  readonly data: Uint8Array;
}

/** StringStringEntryProto { key 1: "location", value 2 }: these bytes, a varint, and the name. */
const LOCATION = [0x0a, 8, ...new TextEncoder().encode('location'), 0x12];

/** The files that the external tensors of these ONNX bytes name, each once. */
export function externalPaths(model: Uint8Array): string[] {
  const names = new Set<string>();
  for (let at = model.indexOf(LOCATION[0]!); at >= 0; at = model.indexOf(LOCATION[0]!, at + 1)) {
    if (!LOCATION.every((byte, i) => model[at + i] === byte)) continue;
    let cursor = at + LOCATION.length;
    let length = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = model[cursor++] ?? 0;
      length += (byte & 127) * scale;
      if (byte < 128) break;
    }
    names.add(new TextDecoder().decode(model.subarray(cursor, cursor + length)));
  }
  return [...names];
}

/**
 * A model file and the files that it names: from the disk in Node, by URL in a browser.
 *
 * Throws   engine/load when a file cannot be read.
 */
export async function readModelFile(path: string): Promise<{ model: Uint8Array; external: ExternalFile[] }> {
  const folder = path.slice(0, Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
  const model = await read(path);
  const external = externalPaths(model).map(async (name) => ({ path: name, data: await read(folder + name) }));
  return { model, external: await Promise.all(external) };
}

async function read(file: string): Promise<Uint8Array> {
  try {
    if (typeof process !== 'undefined' && process.versions?.node) {
      return await process.getBuiltinModule('node:fs/promises').readFile(file);
    }
    const response = await fetch(file);
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    throw new PareError('engine/load', `${file} cannot be read: ${(cause as Error).message}`, { where: file, cause });
  }
}
