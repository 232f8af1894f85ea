/** How fast this machine is: measured once, and kept in the user's cache until the processor or the engine is another. */

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { defaultFolders } from '../src/data/known.ts';
import { type MachineSpeed, machineSpeed } from '../src/report/machine-speed.ts';
import type { Lab } from '../src/runtime/index.ts';
import { hardware } from '../src/runtime/profile.ts';

export interface KnownMachine {
  readonly speed: MachineSpeed;
  /** Was it measured before? */
  readonly isCached: boolean;
}

/** From the cache, unless `fresh`; a cache that cannot be read or written is done without. */
export async function knownMachine(lab: Lab, fresh: boolean): Promise<KnownMachine> {
  const file = join(defaultFolders().at(-1)!, 'machines.json');
  const { cpu, platform, engine, cores, device } = hardware(lab.engine);
  const key = `${cpu ?? platform}, ${cores} cores, ONNX Runtime ${engine}, ${device}`;
  const all = await readAll(file);
  const known = all[key];
  if (known && !fresh) return { speed: known, isCached: true };
  const speed = await machineSpeed(lab);
  await writeAll(file, { ...all, [key]: speed }).catch(() => {});
  return { speed, isCached: false };
}

type Machines = Readonly<Record<string, MachineSpeed>>;

async function readAll(file: string): Promise<Machines> {
  try {
    const all: unknown = JSON.parse(await readFile(file, 'utf8'));
    return typeof all === 'object' && all !== null ? (all as Machines) : {};
  } catch {
    return {};
  }
}

async function writeAll(file: string, all: Machines): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const beside = `${file}.${process.pid}.tmp`;
  await writeFile(beside, `${JSON.stringify(all, null, 1)}\n`);
  await rename(beside, file);
}
