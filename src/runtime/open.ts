/** Chooses the engine: the native library where it can be loaded, WASM where not. */

import { asPareError, PareError } from '../base/error.ts';
import type { Engine, EngineOptions } from './engine.ts';

export interface OpenOptions extends EngineOptions {
  /** Insist on one. Default: native if it can be had, or what the environment variable PARE_ENGINE says. */
  engine?: Engine['name'];
}

/**
 * Opens an engine; when it is not the native one, its `fallbackReason` says why.
 *
 * Throws   engine/missing when the engine that was asked for (or both) cannot be loaded; engine/device when the device
 *          cannot be had; option/unknown for an engine that does not exist.
 */
export async function openEngine({ engine = fromEnvironment(), ...options }: OpenOptions = {}): Promise<Engine> {
  if (engine === 'native') return native(options);
  if (engine === 'wasm') return wasm(options, 'WASM was asked for');
  if (typeof process === 'undefined' || !process.versions?.node)
    return wasm(options, 'a browser has no native library');
  try {
    return await native(options);
  } catch (thrown) {
    const error = asPareError(thrown);
    if (error.code !== 'engine/missing') throw error;
    return wasm(options, error.message.split('\n')[0]!);
  }
}

const native = async (options: EngineOptions): Promise<Engine> =>
  (await import('./native/engine.ts')).nativeEngine(options);

async function wasm(options: EngineOptions, fallbackReason: string): Promise<Engine> {
  const { wasmEngine } = await import('./wasm/engine.ts');
  return { ...(await wasmEngine(options)), fallbackReason };
}

function fromEnvironment(): Engine['name'] | undefined {
  const name = typeof process === 'undefined' ? undefined : process.env['PARE_ENGINE'];
  if (!name) return undefined;
  if (name === 'native' || name === 'wasm') return name;
  throw new PareError('option/unknown', `PARE_ENGINE names no engine: "${name}".`, {
    expected: 'native or wasm',
    got: name,
  });
}
