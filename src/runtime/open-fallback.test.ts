import { describe, expect, it, vi } from 'vitest';
import { floats } from '../graph/tensor.ts';
import { openEngine } from './open.ts';
import { tinyOnnx } from './tiny-onnx.ts';

vi.mock('koffi', () => {
  throw new Error('this machine has no koffi');
});

const RELU = tinyOnnx({
  nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
  inputs: [{ name: 'x', dims: [2] }],
  outputs: [{ name: 'y', dims: [2] }],
});

describe('without the native library', () => {
  it('opens WASM instead, and says why in one line', async () => {
    vi.stubEnv('PARE_ENGINE', '');
    using engine = await openEngine();
    expect(engine.name).toBe('wasm');
    expect(engine.fallbackReason).toMatch(/^No native engine: koffi cannot be loaded \(.+\)\.$/);
    using session = await engine.load(RELU);
    const bytes = new Uint8Array(Float32Array.of(-1, 2).buffer);
    expect([...floats((await session.run({ x: { dtype: 'float32', dims: [2], bytes } })).y!)]).toEqual([0, 2]);
    vi.unstubAllEnvs();
  });

  it('refuses when the native engine was insisted on', async () => {
    await expect(openEngine({ engine: 'native' })).rejects.toMatchObject({ code: 'engine/missing' });
  });
});
