/** Finds and opens the ONNX Runtime library that ships inside the npm package `onnxruntime-node`. */

import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PareError } from '../../base/error.ts';
import { type Api, bindApi, type Koffi, type Pointer } from './api.ts';
import { firstLine, loadKoffi, missing } from './koffi.ts';

export interface Library {
  /** The loaded library; whoever holds this keeps its code in memory. */
  readonly handle: unknown;
  readonly koffi: Koffi;
  readonly api: Api;
  /** Such as "1.30.0". */
  readonly version: string;
}

const OLDEST_MINOR = 30;
const LIBRARY_FILE = /^(?:lib)?onnxruntime(?:\.dll|(?:\.[\d.]+)?\.dylib|\.so(?:\.[\d.]+)?)$/;

/** The library's path for this platform, or the reason why there is none. */
function locate(): string {
  const require = createRequire(import.meta.url);
  let root: string;
  try {
    root = dirname(require.resolve('onnxruntime-node/package.json'));
  } catch (cause) {
    throw missing('the package onnxruntime-node is not installed', cause);
  }
  for (const abi of readdirSync(join(root, 'bin')).filter((name) => name.startsWith('napi-'))) {
    const folder = join(root, 'bin', abi, process.platform, process.arch);
    const file = existsSync(folder) && readdirSync(folder).find((name) => LIBRARY_FILE.test(name));
    if (file) return join(folder, file);
  }
  throw missing(`onnxruntime-node has no library for ${process.platform} on ${process.arch}`);
}

/**
 * Opens the library.
 *
 * Throws   engine/missing with the reason: koffi or onnxruntime-node absent, no build for this platform, or one too old.
 */
export async function openLibrary(): Promise<Library> {
  const koffi = await loadKoffi();
  const path = locate();
  try {
    // Held for good: when the collector frees it, koffi unloads the code that every function pointer points to.
    const handle = koffi.load(path);
    const base = handle.func('OrtGetApiBase', 'void *', [])() as Pointer;
    const version = koffi.decode(koffi.decode(base, 8, 'void *'), koffi.proto('str', []))() as string;
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major !== 1 || minor < OLDEST_MINOR) throw missing(`ONNX Runtime ${version} is not 1.${OLDEST_MINOR} or later`);
    return { koffi, handle, api: bindApi(koffi, base), version };
  } catch (cause) {
    throw cause instanceof PareError ? cause : missing(firstLine(cause), cause);
  }
}
