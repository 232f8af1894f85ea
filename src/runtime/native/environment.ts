/** ONNX Runtime's per-process state: opened at the first use, shared by every engine, left to the end of the process. */

import type { Out, Pointer } from './api.ts';
import { type Library, openLibrary } from './library.ts';

export interface Environment extends Library {
  readonly env: Pointer;
  /** Describes memory that belongs to JavaScript. */
  readonly memoryInfo: Pointer;
  /** Frees what the engine allocated for its answers. */
  readonly allocator: Pointer;
  readonly providers: readonly string[];
  /** Makes the allocator of sessions that share memory, at the first call. */
  shareMemory(): void;
  /** Calls and returns the pointer that the function wrote. */
  pointer(call: (out: Out<Pointer>) => void): Pointer;
  /** Calls and returns the number that the function wrote. */
  number(call: (out: Out<number>) => void): number;
  /** Calls and returns the text that the engine allocated, and frees it. */
  text(call: (out: Out<Pointer>) => void): string;
}

/** Silent: every error comes back as a status, so the log would only say it twice. */
const LOG_FATAL_ONLY = 4;
const ARENA_ALLOCATOR = 1;
const MEMORY_DEFAULT = 0;

let opened: Promise<Environment> | undefined;

/**
 * The process's environment. A failure is not remembered: the package may have been installed meanwhile.
 *
 * Throws   engine/missing as `openLibrary`.
 */
export function environment(): Promise<Environment> {
  opened ??= openLibrary().then(create);
  opened.catch(() => {
    opened = undefined;
  });
  return opened;
}

function create(library: Library): Environment {
  const { api, koffi } = library;
  const pointer: Environment['pointer'] = (call) => {
    const out: Out<Pointer> = [0n];
    call(out);
    return out[0];
  };
  const number: Environment['number'] = (call) => {
    const out: Out<number> = [0];
    call(out);
    return Number(out[0]);
  };
  const env = pointer((out) => api.CreateEnv(LOG_FATAL_ONLY, 'pare', out));
  const memoryInfo = pointer((out) => api.CreateCpuMemoryInfo(ARENA_ALLOCATOR, MEMORY_DEFAULT, out));
  const allocator = pointer((out) => api.GetAllocatorWithDefaultOptions(out));
  const text: Environment['text'] = (call) => {
    const address = pointer(call);
    const value = koffi.decode.string(address);
    api.AllocatorFree(allocator, address);
    return value;
  };
  let isShared = false;
  const shareMemory = (): void => {
    if (isShared) return;
    const config = pointer((out) => api.CreateArenaCfg(0, -1, -1, -1, out));
    api.CreateAndRegisterAllocator(env, memoryInfo, config);
    api.ReleaseArenaCfg(config);
    isShared = true;
  };
  const providers = listProviders(library);
  return { ...library, env, memoryInfo, allocator, providers, shareMemory, pointer, number, text };
}

function listProviders({ api, koffi }: Library): string[] {
  const list: Out<Pointer> = [0n];
  const count: Out<number> = [0];
  api.GetAvailableProviders(list, count);
  const names = Array.from({ length: count[0] }, (_, i) => koffi.decode.string(koffi.decode(list[0], i * 8, 'void *')));
  api.ReleaseAvailableProviders(list[0], count[0]);
  return names;
}
