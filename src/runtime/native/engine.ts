/** ONNX Runtime's C library as an engine: no copies on the way in, none in a binding, and runs that do not block JavaScript. */

import { availableParallelism } from 'node:os';
import { PareError } from '../../base/error.ts';
import { detectBlockSize } from '../block-size.ts';
import type { Device, Engine, EngineOptions } from '../engine.ts';
import { engineError } from '../failure.ts';
import { tinyOnnx } from '../tiny-onnx.ts';
import { type Environment, environment } from './environment.ts';
import { loadSession } from './session.ts';

const PROVIDER: Readonly<Record<Device, string>> = {
  cpu: 'CPUExecutionProvider',
  cuda: 'CUDAExecutionProvider',
  webgpu: 'WebGpuExecutionProvider',
};

let block: Promise<number> | undefined;

/**
 * The native engine.
 *
 * Throws   engine/missing when koffi or the library cannot be loaded, and why; engine/device when the device cannot be had.
 */
export async function nativeEngine({
  device = 'cpu',
  index = 0,
  threads = availableParallelism(),
}: EngineOptions = {}): Promise<Engine> {
  const env = await environment();
  const load: Engine['load'] = (model, options) =>
    loadSession(env, model, { device, index, ...options, threads: options?.threads ?? threads });
  if (device !== 'cpu') await tryDevice(env, device, load);
  block ??= detectBlockSize((model, options) =>
    loadSession(env, model, { device: 'cpu', index: 0, threads: 1, ...options }),
  );
  return {
    name: 'native',
    version: env.version,
    device,
    threads,
    providers: env.providers,
    blockSize: device === 'cpu' ? await block : 0, // the blocked convolutions are the processor's
    load,
    [Symbol.dispose]() {}, // sessions own all that can be released; the environment is the process's
  };
}

const IDENTITY = tinyOnnx({
  nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
  inputs: [{ name: 'x', dims: [1] }],
  outputs: [{ name: 'y', dims: [1] }],
});

/** A provider that is built in may still lack its driver: only a session tells. */
async function tryDevice(env: Environment, device: Device, load: Engine['load']): Promise<void> {
  const expected = PROVIDER[device];
  if (!env.providers.includes(expected)) {
    throw new PareError('engine/device', `This build of ONNX Runtime has no ${device}.`, {
      expected,
      got: env.providers.join(', '),
    });
  }
  try {
    (await load(IDENTITY))[Symbol.dispose]();
  } catch (thrown) {
    const { message } = engineError('engine/device', thrown);
    throw new PareError('engine/device', `The device ${device} cannot be used: ${message}`, {
      expected,
      cause: thrown,
    });
  }
}
