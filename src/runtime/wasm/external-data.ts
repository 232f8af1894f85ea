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
  const bytes = Buffer.from(model.buffer, model.byteOffset, model.byteLength);
  const mark = Buffer.from(LOCATION);
  const names = new Set<string>();
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) {
    let cursor = at + mark.length;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[cursor++] ?? 0;
      length += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    names.add(bytes.toString('utf8', cursor, cursor + length));
  }
  return [...names];
}

/**
 * A model file and the files that it names (Node only).
 *
 * Throws   engine/load when a file cannot be read.
 */
export async function readModelFile(path: string): Promise<{ model: Uint8Array; external: ExternalFile[] }> {
  const { readFile } = process.getBuiltinModule('node:fs/promises');
  const { dirname, join } = process.getBuiltinModule('node:path');
  const read = async (file: string): Promise<Uint8Array> => {
    try {
      return await readFile(file);
    } catch (cause) {
      throw new PareError('engine/load', `${file} cannot be read: ${(cause as Error).message}`, { where: file, cause });
    }
  };
  const model = await read(path);
  const external = externalPaths(model).map(async (name) => ({
    path: name,
    data: await read(join(dirname(path), name)),
  }));
  return { model, external: await Promise.all(external) };
}
