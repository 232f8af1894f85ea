/** The engine's profile: a trace file in a folder of its own, read once and removed. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProfileEvent } from '../engine.ts';
import type { Pointer } from './api.ts';
import type { Environment } from './environment.ts';

export interface Trace {
  /** For EnableProfiling. */
  readonly prefix: string;
  /** Ends profiling. The first call reads the file; later ones answer the same. */
  finish(session: Pointer): readonly ProfileEvent[];
  /** Removes the folder. */
  remove(): void;
}

interface TraceEvent {
  readonly cat?: string;
  readonly name?: string;
  readonly dur?: number;
  readonly args?: { readonly op_name?: string };
}

const SUFFIX = '_kernel_time';

/** A folder for one session's trace. */
export function openTrace(env: Environment): Trace {
  const folder = mkdtempSync(join(tmpdir(), 'pare-trace-'));
  let events: readonly ProfileEvent[] | undefined;
  return {
    prefix: join(folder, 'run'),
    finish(session) {
      events ??= parse(
        readFileSync(
          env.text((out) => env.api.SessionEndProfiling(session, env.allocator, out)),
          'utf8',
        ),
      );
      return events;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The kernels in a trace, in the order in which they ran. */
export function parse(json: string): readonly ProfileEvent[] {
  return (JSON.parse(json) as TraceEvent[])
    .filter(({ cat, name }) => cat === 'Node' && name?.endsWith(SUFFIX))
    .map(({ name = '', dur = 0, args }) => ({
      node: name.slice(0, -SUFFIX.length),
      op: args?.op_name ?? '',
      durationUs: dur,
    }));
}
