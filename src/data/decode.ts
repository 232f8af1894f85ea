/** PNG, JPEG and WebP files as pixels. */

import { PareError } from '../base/error.ts';
import { isGrey, type Pixels, toChannels } from './pixels.ts';

const IMAGE = /\.(png|jpe?g|webp)$/i;

export const isImageName = (name: string): boolean => IMAGE.test(name);

/**
 * The pixels of an image file, by its first bytes and not by its name; an image without colour comes as one channel.
 *
 * Transparency is dropped, 16-bit samples keep their upper byte, the camera's orientation is applied.
 *
 * Throws   data/image when the file is damaged or no image that we read.
 */
export async function decodeImage(bytes: Uint8Array, path: string): Promise<Pixels> {
  const decode = isPng(bytes) ? decodePng : isJpeg(bytes) ? decodeJpeg : isWebp(bytes) ? decodeWebp : undefined;
  if (!decode) {
    throw new PareError('data/image', `"${path}" is not an image that Pare reads.`, {
      where: path,
      expected: 'PNG, JPEG or WebP',
      got: bytes.length ? `bytes ${[...bytes.subarray(0, 4)].map((b) => b.toString(16)).join(' ')}` : 'an empty file',
    });
  }
  let image: Pixels;
  try {
    image = await decode(bytes);
  } catch (cause) {
    if (cause instanceof PareError) throw new PareError(cause.code, cause.message, { ...cause.detail, where: path });
    throw new PareError('data/image', `"${path}" is damaged.`, { where: path, got: (cause as Error).message, cause });
  }
  return image.channels === 3 && isGrey(image) ? toChannels(image, 1) : image;
}

const starts = (bytes: Uint8Array, magic: readonly number[], at = 0): boolean =>
  magic.every((byte, i) => bytes[at + i] === byte);
const isPng = (bytes: Uint8Array): boolean => starts(bytes, [0x89, 0x50, 0x4e, 0x47]);
const isJpeg = (bytes: Uint8Array): boolean => starts(bytes, [0xff, 0xd8, 0xff]);
const isWebp = (bytes: Uint8Array): boolean =>
  starts(bytes, [0x52, 0x49, 0x46, 0x46]) && starts(bytes, [0x57, 0x45, 0x42, 0x50], 8);

async function decodePng(bytes: Uint8Array): Promise<Pixels> {
  const { convertIndexedToRgb, decode } = await import('fast-png');
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

type WasmDecoder = (bytes: ArrayBuffer) => Promise<{ width: number; height: number; data: ArrayLike<number> }>;

let jpegDecoder: Promise<WasmDecoder> | undefined;
let webpDecoder: Promise<WasmDecoder> | undefined;

async function loadJpegDecoder(): Promise<WasmDecoder> {
  const { default: decode, init } = await import('@jsquash/jpeg/decode.js');
  await start(init, '@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm');
  return (bytes) => decode(bytes, { preserveOrientation: true });
}

async function loadWebpDecoder(): Promise<WasmDecoder> {
  const { default: decode, init } = await import('@jsquash/webp/decode.js');
  await start(init, '@jsquash/webp/codec/dec/webp_dec.wasm');
  return decode;
}

/** In Node a decoder cannot fetch its own .wasm file, so we read it from the package and hand it over. */
async function start(init: unknown, wasm: string): Promise<void> {
  const begin = init as (...args: unknown[]) => Promise<void>; // its own type knows only the browser's form
  const quiet = { print: () => {}, printErr: () => {} }; // what it has to say comes as our error
  if (typeof process === 'undefined' || !process.versions?.node) return begin(quiet);
  const { createRequire } = await import('node:module');
  const { readFile } = await import('node:fs/promises');
  await begin(await WebAssembly.compile(await readFile(createRequire(import.meta.url).resolve(wasm))), quiet);
}

/** Broken bits in the middle of a JPEG show as a smear, not as an error; a missing end is told. */
async function decodeJpeg(bytes: Uint8Array): Promise<Pixels> {
  // the decoder paints what is missing of a cut file grey and says nothing, so look for the end ourselves
  if (lastMarker(bytes, 0xd9) < lastMarker(bytes, 0xda)) throw new Error('it is cut short');
  if (channelsOf(bytes) === 4) {
    throw new PareError('data/image', 'An image has the four inks of print (CMYK), which Pare does not read.', {
      expected: 'grey or RGB',
      got: 'CMYK',
    });
  }
  jpegDecoder ??= loadJpegDecoder();
  const decode = await jpegDecoder;
  try {
    const { width, height, data } = await decode(new Uint8Array(bytes).buffer);
    return keep(width, height, 4, data);
  } catch (cause) {
    jpegDecoder = undefined; // it gives up by exit(1), and a program that has exited is not to be called again
    throw new Error('the decoder gave up', { cause });
  }
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

async function decodeWebp(bytes: Uint8Array): Promise<Pixels> {
  webpDecoder ??= loadWebpDecoder();
  const decode = await webpDecoder;
  const { width, height, data } = await decode(new Uint8Array(bytes).buffer);
  return keep(width, height, 4, data);
}
