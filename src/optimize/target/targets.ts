/** The machines that a search can be for, by name. Each makes a stopwatch; a file holds the profile of another. */

import { pick } from '../../base/suggest.ts';
import type { Dataset } from '../../data/index.ts';
import { kernelFormFor, saturates } from '../../quantize/index.ts';
import { type Lab, openEngine } from '../../runtime/index.ts';
import { engineStopwatch, type Stopwatch } from '../stopwatch.ts';
import { PROFILE_FORMAT, type Profile, predictMs } from './profile.ts';

/** A stopwatch and what must be closed after it. */
export interface Target extends Disposable {
  readonly stopwatch: Stopwatch;
}

/** Predicts instead of measuring. */
export const predictedStopwatch = (profile: Profile): Stopwatch => ({
  about: `predicted from the ${profile.isEstimate ? 'estimated ' : ''}profile of ${profile.machine}, one thread`,
  kernels: { pairSafe: profile.saturates, strips: false },
  async time(models) {
    const all = models.map((model) => predictMs(model, profile));
    return all.map((ms) => ({ ms, ratio: ms / Math.max(all[0]!, Number.MIN_VALUE) }));
  },
});

/**
 * Ratios between kinds of layer that the processors' documents and public benchmarks agree on, at a round clock. Good for
 * an order of magnitude and for which side wins; `pare doctor --save` on the machine itself is better.
 */
const ESTIMATES: Readonly<Record<'x86' | 'arm' | 'webgpu', Omit<Profile, 'format' | 'isEstimate'>>> = {
  /** AVX2 without VNNI: int8 gains little, and pairs saturate. */
  x86: {
    machine: 'an x86 processor with AVX2 and without VNNI',
    float: { conv: 0.016, depthwise: 0.04, dense: 0.05 },
    int8: { conv: 0.012, depthwise: 0.06, dense: 0.025 },
    node: 250,
    saturates: true,
  },
  /** Armv8.2 with dot products. */
  arm: {
    machine: 'a 64-bit Arm core with dot-product instructions',
    float: { conv: 0.04, depthwise: 0.1, dense: 0.08 },
    int8: { conv: 0.013, depthwise: 0.08, dense: 0.025 },
    node: 400,
    saturates: false,
  },
  /** Arithmetic is cheap, every node is a dispatch, and integers run through floats. */
  webgpu: {
    machine: 'a browser with WebGPU on an integrated graphics processor',
    float: { conv: 0.003, depthwise: 0.02, dense: 0.01 },
    int8: { conv: 0.006, depthwise: 0.04, dense: 0.02 },
    node: 25_000,
    saturates: false,
  },
};

type Open = (lab: Lab, data?: Dataset) => Promise<Target>;

const here: Open = async (lab, data) => ({ stopwatch: engineStopwatch(lab, data), [Symbol.dispose]() {} });
const estimated =
  (name: keyof typeof ESTIMATES): Open =>
  async () => ({
    stopwatch: predictedStopwatch({ format: PROFILE_FORMAT, isEstimate: true, ...ESTIMATES[name] }),
    [Symbol.dispose]() {},
  });

export const targets = {
  /** This machine, this engine. */
  here,
  /** Node on a processor with VNNI: this machine, where it is one. */
  'node-vnni': async (lab, data) => {
    if (await saturates(lab.engine))
      lab.onNote?.('this processor has no VNNI: times for node-vnni are those of this machine');
    return await here(lab, data);
  },
  /** Browsers without a graphics processor: ONNX Runtime's WebAssembly, run here. */
  wasm: async (lab, data) => {
    const engine = await openEngine({ engine: 'wasm', threads: 1 });
    return {
      stopwatch: { ...engineStopwatch({ ...lab, engine }, data), kernels: await kernelFormFor(engine) },
      [Symbol.dispose]: () => engine[Symbol.dispose](),
    };
  },
  x86: estimated('x86'),
  arm: estimated('arm'),
  webgpu: estimated('webgpu'),
} satisfies Record<string, Open>;
export type TargetName = keyof typeof targets;

/** The stopwatch of a machine by name or of its profile. Throws option/unknown with the nearest name. */
export async function openTarget(target: string | Profile, lab: Lab, data?: Dataset): Promise<Target> {
  if (typeof target === 'string') return await pick<Open>(targets, target, 'target')(lab, data);
  return { stopwatch: predictedStopwatch(target), [Symbol.dispose]() {} };
}
