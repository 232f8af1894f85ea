/** onnxruntime-web as an engine: the same graphs as WebAssembly, in Node and in the browser. */

import type * as Ort from 'onnxruntime-web';
import { PareError } from '../../base/error.ts';
import { detectBlockSize } from '../block-size.ts';
import type { Device, Engine, EngineOptions } from '../engine.ts';
import { coreCount } from '../profile.ts';
import { loadSession } from './session.ts';

/** Threads of the process's one WASM module, once there is one. */
let moduleThreads: number | undefined;

/**
 * The WASM engine. Its threads are fixed by the first engine of the process or page; in a browser more than one needs a
 * cross-origin isolated page.
 *
 * Throws   engine/missing when onnxruntime-web cannot be loaded; engine/device for a device it does not have here.
 */
export async function wasmEngine({ device = 'cpu', threads }: EngineOptions = {}): Promise<Engine> {
  requireDevice(device);
  let ort: typeof Ort;
  try {
    ort = await import('onnxruntime-web');
  } catch (cause) {
    throw new PareError('engine/missing', `No WASM engine: ${(cause as Error).message}`, { cause });
  }
  moduleThreads ??= 'SharedArrayBuffer' in globalThis ? (threads ?? coreCount()) : 1;
  ort.env.wasm.numThreads = moduleThreads;
  ort.env.logLevel = 'fatal';
  const inTurn = queue();
  const load: Engine['load'] = (model, options = {}) => inTurn(() => loadSession(ort, model, device, options));
  return {
    name: 'wasm',
    version: ort.env.versions.web ?? ort.env.versions.common,
    device,
    threads: moduleThreads,
    providers: [...(hasWebGpu() ? ['WebGpuExecutionProvider'] : []), 'CPUExecutionProvider'],
    blockSize: device === 'cpu' ? await detectBlockSize(load) : 0,
    load,
    [Symbol.dispose]() {}, // the module is the page's
  };
}

const hasWebGpu = (): boolean => typeof navigator !== 'undefined' && 'gpu' in navigator;

function requireDevice(device: Device): void {
  if (device === 'cpu' || (device === 'webgpu' && hasWebGpu())) return;
  throw new PareError('engine/device', `The WASM engine has no ${device} here.`, {
    expected: hasWebGpu() ? 'cpu or webgpu' : 'cpu',
    got: device,
  });
}

/** One at a time, in order: onnxruntime-web loads its module at the first session and must not do so twice. */
function queue(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work);
    last = next.catch(() => {});
    return next;
  };
}
