/** An io-binding: the values of one run, by name, and the run itself. */

import { PareError } from '../../base/error.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { aborted, stopIfAborted } from '../aborted.ts';
import type { Device, Values } from '../engine.ts';
import { engineError } from '../failure.ts';
import type { Out, Pointer } from './api.ts';
import type { Environment } from './environment.ts';
import { engineValue, type NativeResident, residentOf } from './resident.ts';
import { type Borrowed, readValue } from './value.ts';

export interface IoBinding {
  run(signal?: AbortSignal): Promise<void>;
  runSync(): void;
  /** Copies of the outputs that were bound to no memory, after a run. */
  read(): Record<string, Tensor>;
  /** Those outputs themselves, where the engine put them. */
  keep(onDispose: () => void): Record<string, NativeResident>;
  /** Not while a run is in flight. */
  release(): void;
}

/** Outputs by the memory to write them to, or by name alone where the engine shall allocate; `where` describes the device's memory. */
export type Outputs = { readonly into: Values } | { readonly names: readonly string[]; readonly where?: Pointer };

/**
 * Ties values to a session for any number of runs. The feeds are checked already.
 *
 * On a device other than the processor the engine copies inputs when they are bound, not when it runs: they are bound again for each run.
 */
export function bindValues(
  env: Environment,
  session: Pointer,
  feeds: Values,
  outputs: Outputs,
  device: Device = 'cpu',
): IoBinding {
  const { api } = env;
  const io = env.pointer((out) => api.CreateIoBinding(session, out));
  const inputs: Borrowed[] = [];
  const fetches: Borrowed[] = [];
  /** Before each run. */
  const loads: (() => void)[] = [];

  const release = (): void => {
    api.ReleaseIoBinding(io);
    for (const { value, isShared } of [...inputs, ...fetches]) if (!isShared) api.ReleaseValue(value);
  };
  try {
    for (const [name, tensor] of Object.entries(feeds)) {
      const input = engineValue(env, tensor);
      inputs.push(input);
      api.BindInput(io, name, input.value);
      if (input.load) loads.push(input.load);
      if (device !== 'cpu' && !input.isShared) loads.push(() => api.BindInput(io, name, input.value));
    }
    if ('names' in outputs) {
      for (const name of outputs.names) api.BindOutputToDevice(io, name, outputs.where ?? env.memoryInfo);
    } else {
      for (const [name, tensor] of Object.entries(outputs.into)) {
        fetches.push(engineValue(env, tensor));
        api.BindOutput(io, name, fetches.at(-1)!.value);
      }
    }
  } catch (thrown) {
    release();
    throw engineError('engine/run', thrown);
  }

  const stores = fetches.flatMap(({ store }) => store ?? []);

  const before = (): void => {
    for (const load of loads) load();
    if (device !== 'cpu') api.SynchronizeBoundInputs(io);
  };
  const after = (): void => {
    if (device !== 'cpu') api.SynchronizeBoundOutputs(io);
    for (const store of stores) store();
  };

  return {
    runSync() {
      try {
        before();
        api.RunWithBinding(session, null, io);
        after();
      } catch (thrown) {
        throw engineError('engine/run', thrown);
      }
    },
    async run(signal) {
      try {
        before();
        await runLater(env, session, io, signal);
        after();
      } catch (thrown) {
        throw engineError('engine/run', thrown);
      }
    },
    read: () => ('names' in outputs ? takeOutputs(env, io, outputs.names, readValue, true) : {}),
    keep: (onDispose) =>
      'names' in outputs
        ? takeOutputs(env, io, outputs.names, (_, value, name) => residentOf(env, value, name, onDispose), false)
        : {},
    release,
  };
}

async function runLater(env: Environment, session: Pointer, io: Pointer, signal?: AbortSignal): Promise<void> {
  const { api } = env;
  stopIfAborted(signal);
  const options = signal ? env.pointer((out) => api.CreateRunOptions(out)) : null;
  const stop = (): void => {
    if (options) api.RunOptionsSetTerminate(options);
  };
  signal?.addEventListener('abort', stop, { once: true });
  try {
    await api.RunWithBinding.later(session, options, io);
  } catch (thrown) {
    throw signal?.aborted ? aborted(signal) : engineError('engine/run', thrown);
  } finally {
    signal?.removeEventListener('abort', stop);
    if (options) api.ReleaseRunOptions(options);
  }
}

/** What `take` makes of each output that the engine allocated; `releases` ends the values themselves. */
function takeOutputs<T>(
  env: Environment,
  io: Pointer,
  names: readonly string[],
  take: (env: Environment, value: Pointer, name: string) => T,
  releases: boolean,
): Record<string, T> {
  const { api, koffi } = env;
  const list: Out<Pointer> = [0n];
  const count: Out<number> = [0];
  api.GetBoundOutputValues(io, env.allocator, list, count);
  const values = Array.from({ length: Number(count[0]) }, (_, i): Pointer => koffi.decode(list[0], i * 8, 'void *'));
  try {
    return Object.fromEntries(names.map((name, i) => [name, take(env, values[i]!, name)]));
  } catch (thrown) {
    throw thrown instanceof PareError ? thrown : engineError('engine/run', thrown);
  } finally {
    if (releases) for (const value of values) api.ReleaseValue(value);
    if (values.length > 0) api.AllocatorFree(env.allocator, list[0]);
  }
}
