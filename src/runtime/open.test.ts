import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nodeIn } from './failure.ts';
import { lifetime } from './lifetime.ts';
import { openEngine } from './open.ts';
import { hardware } from './profile.ts';
import { externalPaths } from './wasm/external-data.ts';

describe('openEngine', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('prefers the native engine, with a thread per core', async () => {
    vi.stubEnv('PARE_ENGINE', '');
    using engine = await openEngine();
    expect(engine.threads).toBe(availableParallelism());
    expect(engine.name === 'native' || engine.fallbackReason).toBeTruthy();
    expect(engine.name === 'native' && engine.fallbackReason).toBeFalsy();
  });

  it('obeys PARE_ENGINE, and the option before it', async () => {
    vi.stubEnv('PARE_ENGINE', 'wasm');
    using wasm = await openEngine({ threads: 1 });
    expect(wasm.name).toBe('wasm');
    expect(wasm.fallbackReason).toBe('WASM was asked for');
    using native = await openEngine({ engine: 'native' });
    expect(native.name).toBe('native');
  });

  it('refuses an engine that does not exist', async () => {
    vi.stubEnv('PARE_ENGINE', 'nativ');
    await expect(openEngine()).rejects.toMatchObject({ code: 'option/unknown' });
  });

  it('describes the machine', async () => {
    using engine = await openEngine();
    const facts = hardware(engine);
    expect(facts.cores).toBe(availableParallelism());
    expect(facts.platform).toBe(`${process.platform} ${process.arch}`);
    expect(facts.engine).toBe(`${engine.name} ${engine.version}`);
    expect(facts.memoryBytes).toBeGreaterThan(0);
  });
});

describe('lifetime', () => {
  it('releases once, when disposed and unused', () => {
    const release = vi.fn();
    const life = lifetime('thing', release);
    life.enter();
    life.enter();
    life.dispose();
    life.dispose();
    life.leave();
    expect(release).not.toHaveBeenCalled();
    expect(() => life.enter()).toThrow('This thing was disposed and cannot run any more.');
    life.leave();
    expect(release).toHaveBeenCalledOnce();
  });
});

describe('nodeIn', () => {
  it.each([
    ["Non-zero status code returned while running Add node. Name:'sum' Status Message: …", 'sum'],
    ['This is an invalid model. In Node, ("odd", Frobnicate, "", -1) : …', 'odd'],
    ["Could not find an implementation for Det(22) node with name 'det'", 'det'],
    ['Type Error: Type of input parameter (x) of operator (BitwiseNot) in node (nok) is invalid.', 'nok'],
    ['Node (shapes) Op (MatMul) [ShapeInferenceError] Incompatible dimensions', 'shapes'],
    ["running Add node. Name:'' Status Message: …", undefined],
    ['Protobuf parsing failed.', undefined],
  ])('finds the name in %j', (message, name) => {
    expect(nodeIn(message)).toBe(name);
  });
});

describe('external data for the WASM engine', () => {
  /** A one-weight model whose four floats lie in a file beside it. */
  const model = (location: string): Uint8Array => {
    const text = (value: string): number[] => [...new TextEncoder().encode(value)];
    const blob = (field: number, content: number[]): number[] => [field * 8 + 2, content.length, ...content];
    const entry = blob(13, [...blob(1, text('location')), ...blob(2, text(location))]);
    const weight = [8, 4, 16, 1, ...blob(8, text('w')), ...entry, 14 * 8, 1];
    const type = blob(2, blob(1, [8, 1, ...blob(2, blob(1, [8, 4]))]));
    const node = [...blob(1, text('x')), ...blob(1, text('w')), ...blob(2, text('y')), ...blob(4, text('Add'))];
    const graph = [
      ...blob(1, node),
      ...blob(2, text('g')),
      ...blob(5, weight),
      ...blob(11, [...blob(1, text('x')), ...type]),
      ...blob(12, [...blob(1, text('y')), ...type]),
    ];
    return Uint8Array.from([8, 10, 58, (graph.length % 128) | 128, graph.length >> 7, ...graph, ...blob(8, [16, 21])]);
  };

  it('finds the names of the files', () => {
    expect(externalPaths(model('weights.bin'))).toEqual(['weights.bin']);
    expect(externalPaths(new Uint8Array(0))).toEqual([]);
  });

  it.each(['native', 'wasm'] as const)('is loaded by %s with the model', async (name) => {
    const folder = mkdtempSync(join(tmpdir(), 'pare-'));
    try {
      writeFileSync(join(folder, 'm.onnx'), model('weights.bin'));
      writeFileSync(join(folder, 'weights.bin'), new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));
      using engine = await openEngine({ engine: name });
      using session = await engine.load(join(folder, 'm.onnx'));
      const x = { dtype: 'float32', dims: [4], bytes: new Uint8Array(16) } as const;
      expect([...new Float32Array((await session.run({ x })).y!.bytes.buffer)]).toEqual([1, 2, 3, 4]);
      rmSync(join(folder, 'weights.bin'));
      await expect(engine.load(join(folder, 'm.onnx'))).rejects.toMatchObject({ code: 'engine/load' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
