/** The machine at hand, in the few facts that decide what is fast on it. */

import type { Engine } from './engine.ts';

export interface Hardware {
  /** Logical processors that this process may use. */
  readonly cores: number;
  /** The processor's own name; undefined where the platform does not say. */
  readonly cpu?: string;
  readonly memoryBytes?: number;
  /** Such as "linux x64", or "browser". */
  readonly platform: string;
  /** Such as "native 1.30.0". */
  readonly engine: string;
  readonly device: Engine['device'];
  readonly threads: number;
  /** Channels per block of the engine's convolution, or 0: widths that are multiples of it are fast. */
  readonly blockSize: number;
  readonly providers: readonly string[];
}

/** Node's `os`, or undefined in a browser. */
const os = () => (typeof process === 'undefined' ? undefined : process.getBuiltinModule?.('node:os'));

/** Logical processors that this process may use; 1 where nobody knows. */
export const coreCount = (): number => os()?.availableParallelism() ?? globalThis.navigator?.hardwareConcurrency ?? 1;

/** The profile of this machine, seen through an engine. */
export function hardware({ name, version, device, threads, blockSize, providers }: Engine): Hardware {
  const node = os();
  const cpu = node?.cpus()[0]?.model.trim();
  return {
    cores: coreCount(),
    ...(cpu && { cpu }),
    ...(node && { memoryBytes: node.totalmem() }),
    platform: node ? `${process.platform} ${process.arch}` : 'browser',
    engine: `${name} ${version}`,
    device,
    threads,
    blockSize,
    providers,
  };
}
