/** Where a quantised model will run, as data: what its kernels can do and where they go wrong. */

import type { Engine } from '../runtime/index.ts';
import { saturates } from './saturate.ts';

export interface Target {
  readonly about: string;
  /** Are neighbouring 8-bit products added in 16 bits, so that weights must leave room? */
  readonly pairSafe: boolean;
  /** Do convolutions of few channels gain by computing several columns at once (measured there)? */
  readonly strips: boolean;
  /** Are there integer kernels for convolutions and dense layers? Without, pairs are computed in floats. */
  readonly integerKernels: boolean;
  /** `accuracy_level` of MatMulNBits: 4 lets the engine multiply in int8, 0 is float32. */
  readonly accuracyLevel: 0 | 4;
}

/** Sources: ONNX Runtime's quantisation guide; the engine measured (`saturates`) where that is possible. */
export const targets = {
  'x86-vnni': {
    about: 'x86 with VNNI (AVX-512 or AVX-VNNI): products are added in 32 bits',
    pairSafe: false,
    strips: true,
    integerKernels: true,
    accuracyLevel: 4,
  },
  x86: {
    about: 'x86 without VNNI (AVX2): pairs of products are added in 16 bits',
    pairSafe: true,
    strips: false,
    integerKernels: true,
    accuracyLevel: 4,
  },
  arm: {
    about: 'ARM with dot products or without: sums are exact',
    pairSafe: false,
    strips: false,
    integerKernels: true,
    accuracyLevel: 4,
  },
  wasm: {
    about: 'WebAssembly: relaxed dot products may add pairs in 16 bits, depending on the processor',
    pairSafe: true,
    strips: false,
    integerKernels: true,
    accuracyLevel: 4,
  },
  webgpu: {
    about: 'WebGPU: no integer convolutions; weights in blocks or 16 bits are what gets faster',
    pairSafe: false,
    strips: false,
    integerKernels: false,
    accuracyLevel: 0,
  },
} as const satisfies Record<string, Target>;

export type TargetName = keyof typeof targets;

/** The target that this engine is: by trying where it can be tried. */
export async function targetOf(
  engine: Engine,
  arch: string | undefined = globalThis.process?.arch,
): Promise<TargetName> {
  if (engine.device === 'webgpu') return 'webgpu';
  if (engine.name === 'wasm') return 'wasm';
  if (arch === 'arm64' || arch === 'arm') return 'arm';
  return (await saturates(engine)) ? 'x86' : 'x86-vnni';
}

/** How integer kernels want their weights. */
export type KernelForm = Pick<Target, 'pairSafe' | 'strips'>;

/** The form for a target. */
export const kernelFormOf = (target: TargetName): KernelForm => {
  const { pairSafe, strips } = targets[target];
  return { pairSafe, strips };
};

/** The form for this engine, as far as no other one is asked for. */
export async function kernelFormFor(
  engine: Engine,
  asked: { readonly [K in keyof KernelForm]?: boolean | undefined } = {},
): Promise<KernelForm> {
  const { pairSafe = await saturates(engine) } = asked;
  const strips = asked.strips ?? (!pairSafe && targets[await targetOf(engine)].strips);
  return { pairSafe, strips };
}
