/** Files in a .tar.gz, by path. Plain ustar with names up to 255 characters, which is what ONNX ships. */

import { gunzipSync } from 'node:zlib';

const BLOCK = 512;

const textAt = (bytes: Uint8Array, from: number, length: number): string => {
  const end = bytes.indexOf(0, from);
  return Buffer.from(bytes.subarray(from, Math.min(end < 0 ? from + length : end, from + length))).toString();
};

/** Path → bytes of every regular file. */
export function untar(archive: Uint8Array): Map<string, Uint8Array> {
  const bytes = gunzipSync(archive);
  const files = new Map<string, Uint8Array>();
  for (let at = 0; at + BLOCK <= bytes.length && bytes[at] !== 0; ) {
    const size = Number.parseInt(textAt(bytes, at + 124, 12), 8);
    const prefix = textAt(bytes, at + 345, 155);
    const name = `${prefix ? `${prefix}/` : ''}${textAt(bytes, at, 100)}`;
    const isFile = bytes[at + 156] === 0x30 || bytes[at + 156] === 0;
    if (isFile) files.set(name, bytes.subarray(at + BLOCK, at + BLOCK + size));
    at += BLOCK * (1 + Math.ceil(size / BLOCK));
  }
  return files;
}
