/** Tensors that stay where the device works, as the C library sees them. */

import { PareError } from '../../base/error.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Device, Resident } from '../engine.ts';
import { isResident } from '../feed.ts';
import type { Pointer } from './api.ts';
import { dtypeFor } from './element-type.ts';
import type { Environment } from './environment.ts';
import type { Settings } from './options.ts';
import { type Borrowed, borrow, describe } from './value.ts';

export interface NativeResident extends Resident {
  readonly value: Pointer;
}

const DEVICE_ALLOCATOR = 0;
const MEMORY_DEFAULT = 0;

/** ONNX Runtime's names of the devices' memory, in the order in which they are tried: WebGPU's has been renamed once. */
const MEMORY: Readonly<Record<Exclude<Device, 'cpu'>, readonly string[]>> = {
  cuda: ['Cuda'],
  webgpu: ['WebGPU_Buf', 'WebGPU_Buffer'],
};

/** Describes a device's own memory. Release it with `ReleaseMemoryInfo`, unless it is the environment's. */
export function memoryOf(env: Environment, { device, index }: Pick<Settings, 'device' | 'index'>): Pointer {
  if (device === 'cpu') return env.memoryInfo;
  let last: unknown;
  for (const name of MEMORY[device]) {
    try {
      return env.pointer((out) => env.api.CreateMemoryInfo(name, DEVICE_ALLOCATOR, index, MEMORY_DEFAULT, out));
    } catch (thrown) {
      last = thrown;
    }
  }
  throw new PareError('engine/device', `The device ${device} has no memory that is known by name.`, { cause: last });
}

/**
 * Takes over an engine value that a run left on the device.
 *
 * Throws   engine/type for what is no tensor of numbers.
 */
export function residentOf(env: Environment, value: Pointer, name: string, onDispose: () => void): NativeResident {
  const { code, dims } = describe(env, value);
  const dtype = dtypeFor(code);
  if (!dtype || dtype === 'string') {
    throw new PareError('engine/type', `Output "${name}" cannot stay on the device.`, { where: `output "${name}"` });
  }
  let isGone = false;
  return {
    dtype,
    dims,
    value,
    [Symbol.dispose]() {
      if (isGone) return;
      isGone = true;
      env.api.ReleaseValue(value);
      onDispose();
    },
  };
}

/** An engine value for a binding: a resident's own, or one over a tensor's bytes. */
export const engineValue = (env: Environment, given: Tensor | Resident): Borrowed =>
  isResident(given) ? { value: (given as NativeResident).value, pin: given, isShared: true } : borrow(env, given);
