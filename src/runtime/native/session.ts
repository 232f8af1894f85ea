/** A graph loaded by ONNX Runtime's C library. */

import { PareError } from '../../base/error.ts';
import type { Binding, Session } from '../engine.ts';
import { engineError } from '../failure.ts';
import { checkFeeds, checkFetches, find, tensorsOf } from '../feed.ts';
import { type Lifetime, lifetime } from '../lifetime.ts';
import type { Out, Pointer } from './api.ts';
import { bindValues, type IoBinding } from './binding.ts';
import type { Environment } from './environment.ts';
import { type Settings, withOptions } from './options.ts';
import { readPorts } from './ports.ts';
import { memoryOf } from './resident.ts';
import { openTrace, type Trace } from './trace.ts';

/**
 * Loads ONNX bytes, or a file by its path, on another thread.
 *
 * Throws   engine/load with the engine's words; engine/device when the device refuses.
 */
export async function loadSession(env: Environment, model: Uint8Array | string, settings: Settings): Promise<Session> {
  const trace = settings.profile ? openTrace(env) : undefined;
  try {
    const session = await withOptions(env, { ...settings, ...(trace && { tracePrefix: trace.prefix }) }, (options) =>
      create(env, model, options),
    );
    return open(env, session, settings, trace);
  } catch (thrown) {
    trace?.remove();
    throw engineError('engine/load', thrown);
  }
}

async function create({ api, env }: Environment, model: Uint8Array | string, options: Pointer): Promise<Pointer> {
  const out: Out<Pointer> = [0n];
  if (typeof model === 'string') await api.CreateSession.later(env, model, options, out);
  else {
    void model.buffer; // moves a short array out of V8's heap, where the collector would move it meanwhile
    await api.CreateSessionFromArray.later(env, model, model.byteLength, options, out);
  }
  return out[0];
}

function open(env: Environment, session: Pointer, settings: Settings, trace: Trace | undefined): Session {
  const { inputs, outputs, overridable } = readPorts(env, session);
  const bindings = new Set<Lifetime>();
  const life = lifetime('session', () => {
    env.api.ReleaseSession(session);
    trace?.remove();
  });

  /** The session's native memory outlives `use`, whatever is disposed meanwhile. */
  const during = async <T>(use: () => Promise<T>): Promise<T> => {
    life.enter();
    try {
      return await use();
    } finally {
      life.leave();
    }
  };

  return {
    inputs,
    outputs,
    run: (feeds, fetches, signal) =>
      during(async () => {
        checkFeeds(inputs, feeds, overridable);
        const names = fetches ?? tensorsOf(outputs);
        for (const name of names) find('output', outputs, name);
        const io = bindValues(env, session, feeds, { names }, settings.device);
        try {
          await io.run(signal);
          return io.read();
        } finally {
          io.release();
        }
      }),
    keep: (feeds, fetches) =>
      during(async () => {
        checkFeeds(inputs, feeds, overridable);
        for (const name of fetches) find('output', outputs, name);
        const where = memoryOf(env, settings);
        const io = bindValues(env, session, feeds, { names: fetches, where }, settings.device);
        try {
          await io.run();
          const kept = io.keep(() => life.leave());
          for (const _ of fetches) life.enter(); // each lives in the session's memory
          return kept;
        } finally {
          io.release();
          if (where !== env.memoryInfo) env.api.ReleaseMemoryInfo(where);
        }
      }),
    bind(feeds, fetches) {
      life.enter();
      try {
        checkFeeds(inputs, feeds, overridable);
        checkFetches(outputs, fetches);
        return bindingOf(bindValues(env, session, feeds, { into: fetches }, settings.device), life, bindings);
      } finally {
        life.leave();
      }
    },
    ...(trace && {
      profile() {
        life.enter();
        try {
          return trace.finish(session);
        } finally {
          life.leave();
        }
      },
    }),
    [Symbol.dispose]() {
      for (const binding of bindings) binding.dispose();
      life.dispose();
    },
  };
}

function bindingOf(io: IoBinding, session: Lifetime, siblings: Set<Lifetime>): Binding {
  let busy = false;
  const life = lifetime('binding', () => {
    io.release();
    siblings.delete(life);
  });
  siblings.add(life);

  const enter = (): void => {
    if (busy)
      throw new PareError('engine/busy', 'This binding is still running: its memory cannot serve two runs at once.');
    life.enter();
    session.enter();
    busy = true;
  };
  const leave = (): void => {
    busy = false;
    life.leave(); // before the session, which must outlive it
    session.leave();
  };

  return {
    async run(signal) {
      enter();
      try {
        await io.run(signal);
      } finally {
        leave();
      }
    },
    runSync() {
      enter();
      try {
        io.runSync();
      } finally {
        leave();
      }
    },
    [Symbol.dispose]: () => life.dispose(),
  };
}
