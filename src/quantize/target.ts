/** Where a quantised model will run, as data: what its kernels can do and where they go wrong. */

import type { Engine } from '../runtime/index.ts';
import { saturates } from './saturate.ts';

export interface Target {
  readonly about: string;
  /** Are neighbouring 8-bit products added in 16 bits, so that weights must leave room? */
  readonly pairSafe: boolean;
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
    integerKernels: true,
    accuracyLevel: 4,
  },
  x86: {
    about: 'x86 without VNNI (AVX2): pairs of products are added in 16 bits',
    pairSafe: true,
    integerKernels: true,
    accuracyLevel: 4,
  },
  arm: {
    about: 'ARM with dot products or without: sums are exact',
    pairSafe: false,
    integerKernels: true,
    accuracyLevel: 4,
  },
  wasm: {
    about: 'WebAssembly: relaxed dot products may add pairs in 16 bits, depending on the processor',
    pairSafe: true,
    integerKernels: true,
    accuracyLevel: 4,
  },
  webgpu: {
    about: 'WebGPU: no integer convolutions; weights in blocks or 16 bits are what gets faster',
    pairSafe: false,
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
