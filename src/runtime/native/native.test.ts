/** What only the native engine promises. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { float32, floats, zeros } from '../../graph/tensor.ts';
import type { Engine } from '../engine.ts';
import { openEngine } from '../open.ts';
import { tinyOnnx } from '../tiny-onnx.ts';

/** x to the power of 2^length, by squaring. */
const squares = (length: number, op = 'MatMul'): Uint8Array =>
  tinyOnnx({
    nodes: Array.from({ length }, (_, i) => ({
      op,
      name: `square${i}`,
      inputs: [i ? `h${i}` : 'x', i ? `h${i}` : 'x'],
      outputs: [i === length - 1 ? 'y' : `h${i + 1}`],
    })),
    inputs: [{ name: 'x', dims: ['N', 'N'] }],
    outputs: [{ name: 'y', dims: ['N', 'N'] }],
  });

describe('the native engine', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ engine: 'native' });
  });
  afterAll(() => engine[Symbol.dispose]());

  it('leaves JavaScript free while it runs', async () => {
    using session = await engine.load(squares(40), { threads: 1 });
    const x = zeros('float32', [512, 512]);
    const y = zeros('float32', [512, 512]);
    using binding = session.bind({ x }, { y });
    for (const run of [() => binding.run(), () => session.run({ x })]) {
      let turns = 0;
      let done = false;
      const running = run().then(() => {
        done = true;
      });
      while (!done) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        turns += 1;
      }
      await running;
      expect(turns).toBeGreaterThan(3);
    }
  });

  it('stops a binding in the middle of a run, which then can run again', async () => {
    using session = await engine.load(squares(60));
    const x = float32([1, 1], [1]);
    const big = zeros('float32', [512, 512]);
    using slow = session.bind({ x: big }, { y: zeros('float32', [512, 512]) });
    const controller = new AbortController();
    const running = slow.run(controller.signal);
    setTimeout(() => controller.abort(), 2);
    await expect(running).rejects.toMatchObject({ code: 'work/aborted' });
    await slow.run();
    const y = zeros('float32', [1, 1]);
    using quick = session.bind({ x }, { y });
    quick.runSync!();
    expect([...floats(y)]).toEqual([1]);
  });

  it('profiles nodes, and leaves no file behind', async () => {
    // A folder of its own: other tests profile at the same time.
    const own = mkdtempSync(join(tmpdir(), 'pare-test-'));
    vi.stubEnv('TMPDIR', own);
    {
      using session = await engine.load(squares(3, 'Mul'), { profile: true, optimize: 'none' });
      await session.run({ x: float32([1, 1], [2]) });
      await session.run({ x: float32([1, 1], [3]) });
      const events = session.profile!();
      expect(events.map(({ node, op }) => `${node} ${op}`)).toEqual([
        ...['square0 Mul', 'square1 Mul', 'square2 Mul'],
        ...['square0 Mul', 'square1 Mul', 'square2 Mul'],
      ]);
      expect(events.every(({ durationUs }) => durationUs >= 0)).toBe(true);
      expect(session.profile!()).toBe(events);
      using unused = await engine.load(squares(1), { profile: true });
      expect(unused.profile).toBeDefined();
      using plain = await engine.load(squares(1));
      expect(plain.profile).toBeUndefined();
    }
    await expect(engine.load(new Uint8Array(9), { profile: true })).rejects.toMatchObject({ code: 'engine/load' });
    expect(readdirSync(own)).toEqual([]);
    vi.unstubAllEnvs();
    rmSync(own, { recursive: true });
  });

  it('writes the graph as it optimised it, and loads it back by its path', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pare-'));
    try {
      const optimizedPath = join(folder, 'optimised größe.onnx');
      using session = await engine.load(squares(2), { optimizedPath, optimize: 'basic' });
      expect(readFileSync(optimizedPath).length).toBeGreaterThan(0);
      using again = await engine.load(optimizedPath);
      expect(again.inputs).toEqual(session.inputs);
      expect([...floats((await again.run({ x: float32([1, 1], [3]) })).y!)]).toEqual([81]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('lets a caller override a weight that is also an input', async () => {
    const model = tinyOnnx({
      nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
      inputs: [
        { name: 'x', dims: [1] },
        { name: 'w', dims: [1] },
      ],
      outputs: [{ name: 'y', dims: [1] }],
      weights: { w: { dims: [1], data: Float32Array.of(10) } },
    });
    using session = await engine.load(model);
    const x = float32([1], [1]);
    expect(session.inputs.map(({ name }) => name)).toEqual(['x']);
    expect([...floats((await session.run({ x })).y!)]).toEqual([11]);
    expect([...floats((await session.run({ x, w: float32([1], [20]) })).y!)]).toEqual([21]);
  });

  it('lays channels out in blocks that its processor likes', () => {
    if (process.arch === 'x64') expect([8, 16]).toContain(engine.blockSize);
  });

  it('creates and releases two hundred sessions without growing', async () => {
    const model = squares(4);
    const cycle = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        using session = await engine.load(model, { threads: 1 });
        using binding = session.bind({ x: zeros('float32', [64, 64]) }, { y: zeros('float32', [64, 64]) });
        await binding.run();
      }
    };
    await cycle(50);
    const before = process.memoryUsage().rss;
    await cycle(200);
    expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
  });
});
