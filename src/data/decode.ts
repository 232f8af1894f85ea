/** PNG, JPEG and WebP files as pixels. */

import { PareError } from '../base/error.ts';
import { isGrey, type Pixels, toChannels } from './pixels.ts';

const IMAGE = /\.(png|jpe?g|webp)$/i;

export const isImageName = (name: string): boolean => IMAGE.test(name);

/** The pixels of an image file's bytes; `path` is for its errors. */
export type ImageDecoder = (bytes: Uint8Array, path: string) => Pixels;

/**
 * What decodes image files at once, by their first bytes and not by their names; an image without colour comes as one channel.
 *
 * Transparency is dropped, 16-bit samples keep their upper byte, the camera's orientation is applied.
 *
 * Throws   (the decoder) data/image when the file is damaged or no image that we read.
 */
export function openDecoder(): Promise<ImageDecoder> {
  decoder ??= startDecoder();
  return decoder;
}

/** Its programs take longer to start than an image to decode. */
let decoder: Promise<ImageDecoder> | undefined;

async function startDecoder(): Promise<ImageDecoder> {
  const [png, jpeg, webp] = await Promise.all([import('fast-png'), openCodec(JPEG), openCodec(WEBP)]);
  const decoders = [
    { is: isPng, decode: (bytes: Uint8Array) => decodePng(bytes, png) },
    { is: isJpeg, decode: (bytes: Uint8Array) => decodeJpeg(bytes, jpeg) },
    { is: isWebp, decode: (bytes: Uint8Array) => coloured(webp(bytes)) },
  ];
  return (bytes, path) => {
    const known = decoders.find(({ is }) => is(bytes));
    if (!known) {
      throw new PareError('data/image', `"${path}" is not an image that Pare reads.`, {
        where: path,
        expected: 'PNG, JPEG or WebP',
        got: bytes.length ? `bytes ${[...bytes.subarray(0, 4)].map((b) => b.toString(16)).join(' ')}` : 'an empty file',
      });
    }
    let image: Pixels;
    try {
      image = known.decode(bytes);
    } catch (cause) {
      if (cause instanceof PareError) throw new PareError(cause.code, cause.message, { ...cause.detail, where: path });
      throw new PareError('data/image', `"${path}" is damaged.`, { where: path, got: (cause as Error).message, cause });
    }
    return image.channels === 3 && isGrey(image) ? toChannels(image, 1) : image;
  };
}

/** The pixels of one image file, as `openDecoder`'s decoder tells them. Throws data/image. */
export async function decodeImage(bytes: Uint8Array, path: string): Promise<Pixels> {
  return (await openDecoder())(bytes, path);
}

const starts = (bytes: Uint8Array, magic: readonly number[], at = 0): boolean =>
  magic.every((byte, i) => bytes[at + i] === byte);
const isPng = (bytes: Uint8Array): boolean => starts(bytes, [0x89, 0x50, 0x4e, 0x47]);
const isJpeg = (bytes: Uint8Array): boolean => starts(bytes, [0xff, 0xd8, 0xff]);
const isWebp = (bytes: Uint8Array): boolean =>
  starts(bytes, [0x52, 0x49, 0x46, 0x46]) && starts(bytes, [0x57, 0x45, 0x42, 0x50], 8);

function decodePng(bytes: Uint8Array, { convertIndexedToRgb, decode }: typeof import('fast-png')): Pixels {
  const png = decode(bytes, { checkCrc: true });
  const { width, height, depth } = png;
  if (png.palette) return keep(width, height, png.palette[0]?.length ?? 3, convertIndexedToRgb(png));
  if (depth < 8) return keep(width, height, 1, unpacked(png.data, width, height, depth));
  return keep(width, height, png.channels, depth === 16 ? Uint8Array.from(png.data, (value) => value >> 8) : png.data);
}

/** Grey samples of 1, 2 or 4 bits, each row padded to a byte, as 0 to 255. */
function unpacked(data: ArrayLike<number>, width: number, height: number, depth: number): Uint8Array {
  const out = new Uint8Array(width * height);
  const row = Math.ceil((width * depth) / 8);
  const most = 2 ** depth - 1;
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      out[at++] = (((data[y * row + (bit >> 3)]! >> (8 - depth - (bit & 7))) & most) * 255) / most;
    }
  }
  return out;
}

/** The grey or colour channels of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha). */
function keep(width: number, height: number, channels: number, data: ArrayLike<number>): Pixels {
  const kept = channels < 3 ? 1 : 3;
  const out = new Uint8Array(width * height * kept);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < kept; c++) out[i * kept + c] = data[i * channels + c]!;
  }
  return { width, height, channels: kept, data: out };
}

interface Raw {
  readonly width: number;
  readonly height: number;
  readonly data: ArrayLike<number>;
}
type Codec = (bytes: Uint8Array) => Raw;

const coloured = ({ width, height, data }: Raw): Pixels => keep(width, height, 4, data);

/** A decoder's program, and the file of its code. Its own types know only the browser. */
interface Program {
  readonly load: () => Promise<{ readonly default: unknown }>;
  readonly wasm: string;
  /** What it takes beside the bytes. */
  readonly settings: readonly boolean[];
}
type Start = (options: object) => Promise<{ decode(bytes: ArrayBuffer, ...settings: boolean[]): Raw | null }>;

const JPEG: Program = {
  load: () => import('@jsquash/jpeg/codec/dec/mozjpeg_dec.js'),
  wasm: '@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm',
  settings: [true], // the camera's orientation
};
const WEBP: Program = {
  load: () => import('@jsquash/webp/codec/dec/webp_dec.js'),
  wasm: '@jsquash/webp/codec/dec/webp_dec.wasm',
  settings: [],
};

async function openCodec({ load, wasm, settings }: Program): Promise<Codec> {
  const [program, code] = await Promise.all([load(), codeOf(wasm)]);
  // What it has to say comes as our error.
  const options = { noInitialRun: true, print: () => {}, printErr: () => {}, ...code };
  const start = (): ReturnType<Start> => (program.default as Start)({ ...options });
  let running = await start();
  return (bytes) => {
    try {
      const raw = running.decode(new Uint8Array(bytes).buffer, ...settings);
      if (raw) return raw;
    } catch (cause) {
      // It gives up by exit(1), and a program that has exited is not to be called again.
      start().then(
        (fresh) => {
          running = fresh;
        },
        () => undefined,
      );
      throw new Error('the decoder gave up', { cause });
    }
    throw new Error('the decoder gave up');
  };
}

/** In Node a decoder cannot fetch its own .wasm file, so we read it from the package and hand it over. */
async function codeOf(wasm: string): Promise<object> {
  if (typeof process === 'undefined' || !process.versions?.node) return {};
  const { createRequire } = await import('node:module');
  const { readFile } = await import('node:fs/promises');
  const code = await WebAssembly.compile(await readFile(createRequire(import.meta.url).resolve(wasm)));
  return {
    instantiateWasm(imports: WebAssembly.Imports, receive: (instance: WebAssembly.Instance) => void) {
      const instance = new WebAssembly.Instance(code, imports);
      receive(instance);
      return instance.exports;
    },
  };
}

/** Broken bits in the middle of a JPEG show as a smear, not as an error; a missing end is told. */
function decodeJpeg(bytes: Uint8Array, codec: Codec): Pixels {
  // the decoder paints what is missing of a cut file grey and says nothing, so look for the end ourselves
  if (lastMarker(bytes, 0xd9) < lastMarker(bytes, 0xda)) throw new Error('it is cut short');
  if (channelsOf(bytes) === 4) {
    throw new PareError('data/image', 'An image has the four inks of print (CMYK), which Pare does not read.', {
      expected: 'grey or RGB',
      got: 'CMYK',
    });
  }
  return coloured(codec(bytes));
}

/** Channels of a JPEG, by its frame header (FF C0 to FF CF, but tables of codes); 0 where there is none. */
function channelsOf(bytes: Uint8Array): number {
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1]!;
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return bytes[at + 9]!;
    at += 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
  }
  return 0;
}

/** Where the marker FF `code` stands last; -1 when it is nowhere. */
function lastMarker(bytes: Uint8Array, code: number): number {
  let at = bytes.lastIndexOf(code);
  while (at > 0 && bytes[at - 1] !== 0xff) at = bytes.lastIndexOf(code, at - 1);
  return at;
}
