/** What a file that is no ONNX model looks like, from its first bytes. */

import { cursor, nextField, skip } from './wire-read.ts';

const ascii = (bytes: Uint8Array, from: number, length: number): string =>
  String.fromCharCode(...bytes.subarray(from, from + length));

/** Formats by what they begin with. */
const MAGIC: readonly (readonly [magic: string, at: number, kind: string])[] = [
  ['\x89HDF', 0, 'an HDF5 file (Keras)'],
  ['TFL3', 4, 'a TensorFlow Lite model'],
  ['ORTM', 4, 'an ONNX Runtime .ort model'],
  ['GGUF', 0, 'a GGUF model'],
  ['\x93NUMPY', 0, 'a NumPy array'],
  ['\x1f\x8b', 0, 'a gzip archive'],
  ['\x80\x02', 0, 'a Python pickle (PyTorch)'],
  ['\x7fELF', 0, 'a program'],
  ['\x89PNG', 0, 'a PNG image'],
  ['%PDF', 0, 'a PDF document'],
  ['version https://git-lfs', 0, 'a Git LFS pointer; the model itself was not downloaded'],
];

/** "a zip archive", "an HTML page", …; undefined for what may well be a damaged ONNX file. */
export function looksLike(bytes: Uint8Array): string | undefined {
  const head = ascii(bytes, 0, 512);
  for (const [magic, at, kind] of MAGIC) if (head.startsWith(magic, at)) return kind;
  if (head.startsWith('PK\x03\x04')) {
    return /\.pkl|\/data\/|archive\//.test(head) ? 'a PyTorch checkpoint (zip)' : 'a zip archive';
  }
  // safetensors: the length of the JSON header in 8 bytes, then the header.
  if (
    bytes.length > 10 &&
    head[8] === '{' &&
    /[\s"}]/.test(head[9]!) &&
    bytes[5] === 0 &&
    bytes[6] === 0 &&
    bytes[7] === 0
  ) {
    return 'a safetensors file';
  }
  const text = head.replace(/^\xef\xbb\xbf/, '').trimStart();
  if (/^<(!doctype|html|\?xml|head|body)/i.test(text)) return 'an HTML or XML page';
  if (/^[[{]\s*["{}[\]\d-]/.test(text)) return 'JSON';
  if (isText(bytes.subarray(0, 512))) return 'a text file';
  if (!isProtobuf(bytes)) return startsAsModel(bytes) ? undefined : 'binary data of an unknown kind';
  return 'a protobuf message without a graph';
}

/** Printable UTF-8-ish text with no control characters but white space. */
const isText = (bytes: Uint8Array): boolean =>
  bytes.length > 0 && bytes.every((byte) => byte > 126 || byte >= 32 || byte === 9 || byte === 10 || byte === 13);

/** Tags that begin a ModelProto: ir_version, then texts, graph, opset imports. */
const startsAsModel = (bytes: Uint8Array): boolean =>
  [0x08, 0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42].includes(bytes[0]!);

function isProtobuf(bytes: Uint8Array): boolean {
  const c = cursor(bytes);
  let sawGraph = false;
  try {
    while (nextField(c)) {
      sawGraph ||= c.field === 7 && c.wire === 2;
      skip(c);
    }
  } catch {
    return false;
  }
  return !sawGraph;
}
