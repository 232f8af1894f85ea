/** How many channels the engine's NCHWc convolution keeps side by side, asked of the engine itself. */

import { float32, floats } from '../graph/tensor.ts';
import type { Engine } from './engine.ts';
import { tinyOnnx } from './tiny-onnx.ts';

const CHANNELS = 16;

const REORDER = {
  nodes: [{ op: 'ReorderInput', inputs: ['x'], outputs: ['y'], domain: 'com.microsoft.nchwc' }],
  inputs: [{ name: 'x', dims: [1, CHANNELS, 1, 2] }],
  outputs: [{ name: 'y' }],
  opsets: { '': 21, 'com.microsoft.nchwc': 1 },
};

/**
 * The NCHWc block (8 with AVX2, 16 with AVX-512), or 0 where the engine has no such layout (WASM).
 *
 * Blocking puts position w of all channels of a block before position w + 1. Of the numbers 0, 1, 2 … laid out as
 * [1, 16, 1, 2], the 1 is channel 0 at w = 1: it comes to stand right after one block of w = 0.
 */
export async function detectBlockSize(load: Engine['load']): Promise<number> {
  const x = float32(
    [1, CHANNELS, 1, 2],
    Array.from({ length: 2 * CHANNELS }, (_, i) => i),
  );
  try {
    using session = await load(tinyOnnx(REORDER), { optimize: 'none', threads: 1 });
    const { y } = await session.run({ x });
    return floats(y!).indexOf(1);
  } catch {
    return 0; // the operator is not in this build
  }
}
