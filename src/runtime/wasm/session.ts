/** A graph loaded by onnxruntime-web. */

import type * as Ort from 'onnxruntime-web';
import { PareError } from '../../base/error.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { stopIfAborted } from '../aborted.ts';
import type { Binding, Device, Feeds, Port, Resident, Session, SessionOptions, Values } from '../engine.ts';
import { engineError } from '../failure.ts';
import { checkFeeds, checkFetches, find, isResident, tensorsOf } from '../feed.ts';
import { lifetime } from '../lifetime.ts';
import { type ExternalFile, readModelFile } from './external-data.ts';
import { dtypeNamed, fromOrt, toOrt } from './value.ts';

const LEVEL = { none: 'disabled', basic: 'basic', extended: 'extended', all: 'all' } as const;
const LOG_FATAL_ONLY = 4;
const NOT_A_TENSOR = /non-tensor typed value/;

/**
 * Loads ONNX bytes, or (in Node) a file by its path.
 *
 * Throws   engine/load with the engine's words; engine/option for what only the native engine can do.
 */
export async function loadSession(
  ort: typeof Ort,
  source: Uint8Array | string,
  device: Device,
  { optimize = 'all', config = {}, optimizedPath, plansMemory = true }: SessionOptions,
): Promise<Session> {
  if (optimizedPath !== undefined) {
    throw new PareError('engine/option', 'The WASM engine cannot write the optimised graph.', {
      where: 'optimizedPath',
    });
  }
  const { model, external }: { model: Uint8Array; external: ExternalFile[] } =
    typeof source === 'string' ? await readModelFile(source) : { model: source, external: [] };
  try {
    const session = await ort.InferenceSession.create(model, {
      executionProviders: [device === 'webgpu' ? 'webgpu' : 'wasm'],
      graphOptimizationLevel: LEVEL[optimize],
      enableMemPattern: plansMemory,
      logSeverityLevel: LOG_FATAL_ONLY,
      extra: { 'session.force_spinning_stop': '1', ...config },
      ...(external.length > 0 && { externalData: external }),
    });
    return open(ort, session);
  } catch (thrown) {
    throw engineError('engine/load', thrown);
  }
}

function open(ort: typeof Ort, session: Ort.InferenceSession): Session {
  const inputs = session.inputMetadata.map(portOf);
  const outputs = session.outputMetadata.map(portOf);
  const life = lifetime('session', () => void session.release());

  const run = async (feeds: Feeds, names: readonly string[], signal?: AbortSignal): Promise<Record<string, Tensor>> => {
    stopIfAborted(signal);
    life.enter();
    try {
      const fed = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, toOrt(ort, name, tensor)]));
      const results = await session.run(fed, names, { logSeverityLevel: LOG_FATAL_ONLY });
      stopIfAborted(signal);
      return Object.fromEntries(names.map((name) => [name, fromOrt(name, results[name])]));
    } catch (thrown) {
      if (thrown instanceof Error && NOT_A_TENSOR.test(thrown.message)) {
        throw new PareError('engine/type', 'An output is not a tensor.', {
          where: `one of ${names.join(', ')}`,
          cause: thrown,
        });
      }
      throw engineError('engine/run', thrown);
    } finally {
      life.leave();
    }
  };

  return {
    inputs,
    outputs,
    async run(feeds, fetches = tensorsOf(outputs), signal) {
      requireLive(life.disposed);
      checkFeeds(inputs, feeds);
      for (const name of fetches) find('output', outputs, name);
      return run(feeds, fetches, signal);
    },
    async keep(feeds, fetches) {
      requireLive(life.disposed);
      checkFeeds(inputs, feeds);
      for (const name of fetches) find('output', outputs, name);
      const results = await run(tensorsIn(feeds), fetches);
      return Object.fromEntries(fetches.map((name) => [name, residentOf(results[name]!)]));
    },
    bind(feeds, fetches) {
      requireLive(life.disposed);
      checkFeeds(inputs, feeds);
      checkFetches(outputs, fetches);
      const into = tensorsIn(fetches);
      return bindingOf(into, (signal) => run(tensorsIn(feeds), Object.keys(into), signal));
    },
    [Symbol.dispose]: () => life.dispose(),
  };
}

/** onnxruntime-web's own memory can only be copied to, so here a resident's place is JavaScript's. */
interface WebResident extends Resident {
  readonly tensor: Tensor;
}

const residentOf = (tensor: Tensor): WebResident => ({
  dtype: tensor.dtype,
  dims: tensor.dims,
  tensor,
  [Symbol.dispose]() {},
});

const tensorsIn = (values: Values): Feeds =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, isResident(value) ? (value as WebResident).tensor : value]),
  );

function requireLive(disposed: boolean): void {
  if (disposed) throw new PareError('engine/disposed', 'This session was disposed and cannot run any more.');
}

const portOf = (metadata: Ort.InferenceSession.ValueMetadata): Port => {
  if (!metadata.isTensor) return { name: metadata.name };
  const dtype = dtypeNamed(metadata.type);
  const dims = metadata.shape.map((dim) => (typeof dim === 'number' ? dim : -1));
  // An empty shape is a scalar or an unknown rank: onnxruntime-web does not say which.
  return { name: metadata.name, ...(dtype && { dtype }), ...(dims.length > 0 && { dims }) };
};

function bindingOf(fetches: Feeds, run: (signal?: AbortSignal) => Promise<Record<string, Tensor>>): Binding {
  let busy = false;
  const life = lifetime('binding', () => {});
  return {
    async run(signal) {
      if (busy)
        throw new PareError('engine/busy', 'This binding is still running: its memory cannot serve two runs at once.');
      life.enter();
      busy = true;
      try {
        const results = await run(signal);
        for (const [name, into] of Object.entries(fetches)) store(name, results[name]!, into);
      } finally {
        busy = false;
        life.leave();
      }
    },
    [Symbol.dispose]: () => life.dispose(),
  };
}

function store(name: string, { dims, bytes }: Tensor, into: Tensor): void {
  if (dims.length !== into.dims.length || dims.some((dim, axis) => dim !== into.dims[axis])) {
    throw new PareError('engine/run', `Output "${name}" is [${dims.join(', ')}], not [${into.dims.join(', ')}].`, {
      where: `output "${name}"`,
      expected: `[${into.dims.join(', ')}]`,
      got: `[${dims.join(', ')}]`,
    });
  }
  into.bytes.set(bytes);
}
