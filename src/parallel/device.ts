/** Where replicas work, in words: a set of cores (`cpu:0-1`, `cpu:3`), or an accelerator (`cuda:0`, `webgpu`). */

import { cpus } from 'node:os';
import { PareError } from '../base/error.ts';
import type { Device, Engine, Lab } from '../runtime/index.ts';
import { openEngine } from '../runtime/open.ts';

export type Place =
  | { readonly device: 'cpu'; readonly cores: readonly number[] }
  | { readonly device: Exclude<Device, 'cpu'>; readonly index: number };

const FORMS = 'cpu:FIRST-LAST, cpu:CORE, cuda:NUMBER or webgpu';
/** The engine's word for what each thread that it starts may run on, counted from 1. */
const AFFINITIES = 'session.intra_op_thread_affinities';

/**
 * Reads one word.
 *
 * Throws   parallel/devices when it is none of the forms.
 */
export function parseDevice(word: string): Place {
  const [, device, first, last] = /^(cpu|cuda|webgpu)(?::(\d+)(?:-(\d+))?)?$/.exec(word) ?? [];
  const [from, to] = [Number(first ?? 0), Number(last ?? first ?? 0)];
  if (device === 'cpu' && first !== undefined && to >= from && to - from < MOST_CORES)
    return { device, cores: Array.from({ length: to - from + 1 }, (_, i) => from + i) };
  const isAccelerator = (device === 'cuda' && last === undefined) || (device === 'webgpu' && first === undefined);
  if (isAccelerator) return { device: device as 'cuda' | 'webgpu', index: from };
  throw new PareError('parallel/devices', `"${word}" names no device.`, {
    where: word,
    expected: FORMS,
    got: word,
  });
}
const MOST_CORES = 1024;

/** The cores' threads as the engine wants them: the caller's own comes first, and is not the engine's to bind. */
const affinitiesOf = (cores: readonly number[]): Record<string, string> =>
  cores.length > 1
    ? {
        [AFFINITIES]: cores
          .slice(1)
          .map((core) => core + 1)
          .join(';'),
      }
    : {};

/**
 * A lab for each replica: an engine of its own where it works on an accelerator; the given one, with its threads bound to the cores,
 * elsewhere. `close` disposes of what was opened here.
 *
 * Threads  as many as a set has cores. Each but the first is bound to a core of its own; the first is the process's thread that starts
 *          the run, which the system places.
 * Throws   parallel/devices for a word that names none, or a core that is given twice; engine/device for cores or accelerators that
 *          this machine or this build of the engine does not have.
 */
export async function openPlaces(words: readonly string[], lab: Lab): Promise<{ labs: Lab[]; close: () => void }> {
  const places = words.map(parseDevice);
  const known = cpus().length;
  const taken = new Set<number>();
  for (const [i, place] of places.entries()) {
    for (const core of place.device === 'cpu' ? place.cores : []) {
      if (core >= known) {
        throw new PareError('engine/device', `This machine has no core ${core}.`, {
          where: words[i]!,
          expected: known > 1 ? `cores 0 to ${known - 1}` : 'core 0',
          got: `${core}`,
        });
      }
      if (taken.has(core)) {
        throw new PareError('parallel/devices', `Core ${core} is given to two replicas.`, {
          where: words[i]!,
          expected: 'sets of cores that do not meet',
        });
      }
      taken.add(core);
    }
  }
  const opened: Engine[] = [];
  const close = (): void => {
    for (const engine of opened) engine[Symbol.dispose]();
  };
  const labs: Lab[] = [];
  try {
    for (const place of places) {
      if (place.device === 'cpu')
        labs.push({ ...lab, engine: boundTo(place.cores, lab.engine), threads: place.cores.length });
      else {
        const engine = await openEngine({ engine: 'native', device: place.device, index: place.index });
        opened.push(engine);
        labs.push({ ...lab, engine });
      }
    }
  } catch (thrown) {
    close();
    throw thrown;
  }
  return { labs, close };
}

/** The engine, whose sessions have a thread for each core. */
const boundTo = (cores: readonly number[], engine: Engine): Engine => ({
  ...engine,
  threads: cores.length,
  load: (model, options) =>
    engine.load(model, {
      ...options,
      threads: cores.length,
      config: { ...options?.config, ...(engine.name === 'native' && affinitiesOf(cores)) },
    }),
});
