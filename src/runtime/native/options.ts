/** Session options in ONNX Runtime's terms. */

import type { Device, SessionOptions } from '../engine.ts';
import { engineError } from '../failure.ts';
import type { Pointer } from './api.ts';
import type { Environment } from './environment.ts';

const LEVEL = { none: 0, basic: 1, extended: 2, all: 99 } as const;

/**
 * Always on unless overridden: the threads of an idle session otherwise spin for some 30 ms after each run and take
 * the cores from the next session's run (two sessions on two cores: 3 to 4 times slower).
 */
const CONFIG = { 'session.force_spinning_stop': '1' };

export interface Settings extends SessionOptions {
  readonly device: Device;
  /** Which of several devices of that kind. */
  readonly index: number;
  readonly threads: number;
  /** Beginning of the path of the trace. */
  readonly tracePrefix?: string;
}

/** Makes the options, gives them to `use`, and releases them. */
export async function withOptions<T>(
  env: Environment,
  settings: Settings,
  use: (options: Pointer) => Promise<T>,
): Promise<T> {
  const { api } = env;
  const options = env.pointer((out) => api.CreateSessionOptions(out));
  try {
    api.SetIntraOpNumThreads(options, settings.threads);
    api.SetSessionGraphOptimizationLevel(options, LEVEL[settings.optimize ?? 'all']);
    for (const [key, value] of Object.entries({ ...CONFIG, ...settings.config }))
      api.AddSessionConfigEntry(options, key, value);
    const sharesMemory = settings.sharesMemory && settings.device === 'cpu';
    if (sharesMemory) {
      env.shareMemory();
      api.AddSessionConfigEntry(options, 'session.use_env_allocators', '1');
    }
    // A block of its own for each session's plan would leave little to share.
    if (sharesMemory || settings.plansMemory === false) api.DisableMemPattern(options);
    if (settings.optimizedPath !== undefined) api.SetOptimizedModelFilePath(options, settings.optimizedPath);
    if (settings.tracePrefix !== undefined) api.EnableProfiling(options, settings.tracePrefix);
    appendDevice(env, options, settings);
    return await use(options);
  } finally {
    api.ReleaseSessionOptions(options);
  }
}

function appendDevice(env: Environment, options: Pointer, { device, index }: Settings): void {
  const { api } = env;
  try {
    if (device === 'webgpu') api.SessionOptionsAppendExecutionProvider(options, 'WebGPU', null, null, 0);
    if (device === 'cuda') {
      const cuda = env.pointer((out) => api.CreateCUDAProviderOptions(out));
      try {
        if (index > 0) api.UpdateCUDAProviderOptions(cuda, ['device_id'], [`${index}`], 1);
        api.SessionOptionsAppendExecutionProvider_CUDA_V2(options, cuda);
      } finally {
        api.ReleaseCUDAProviderOptions(cuda);
      }
    }
  } catch (thrown) {
    throw engineError('engine/device', thrown);
  }
}
