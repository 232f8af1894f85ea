/** How every engine ends, asked of both: sessions let go, runs stopped, memory given back. */

import { expect, it } from 'vitest';
import { A, ADD, B, chain, onBothEngines, thrown } from '../../test/engines.ts';
import { float32, floats, zeros } from '../graph/tensor.ts';

onBothEngines((name, open) => {
  it('is disposed once, however often it is told', async () => {
    const session = await open.engine.load(ADD);
    const binding = session.bind({ a: A, b: B }, { c: zeros('float32', [2, 3]) });
    binding[Symbol.dispose]();
    binding[Symbol.dispose]();
    expect((await thrown(() => binding.run())).code).toBe('engine/disposed');
    const orphan = session.bind({ a: A, b: B }, { c: zeros('float32', [2, 3]) });
    session[Symbol.dispose]();
    session[Symbol.dispose]();
    expect((await thrown(() => orphan.run())).code).toBe('engine/disposed');
    expect((await thrown(() => session.run({ a: A, b: B }))).code).toBe('engine/disposed');
    expect((await thrown(() => session.bind({ a: A, b: B }, {}))).code).toBe('engine/disposed');
  });

  it('ends the run in flight before it lets go of a disposed session', async () => {
    const session = await open.engine.load(chain(8));
    const x = zeros('float32', [128, 128]);
    const y = float32([128, 128], new Float32Array(128 * 128).fill(1));
    const binding = session.bind({ x }, { y });
    const running = [binding.run(), session.run({ x })] as const;
    binding[Symbol.dispose]();
    session[Symbol.dispose]();
    const [, fresh] = await Promise.all(running);
    expect(floats(y).every((value) => value === 0)).toBe(true);
    expect(fresh.y!.dims).toEqual([128, 128]);
  });

  it('runs a binding once at a time', async () => {
    using session = await open.engine.load(chain(8));
    const y = zeros('float32', [128, 128]);
    using binding = session.bind({ x: zeros('float32', [128, 128]) }, { y });
    const first = binding.run();
    expect((await thrown(() => binding.run())).code).toBe('engine/busy');
    await first;
    await binding.run();
  });

  it('stops when it is told to', async () => {
    using session = await open.engine.load(chain(60));
    const x = zeros('float32', [512, 512]);
    const before = AbortSignal.abort(new Error('changed my mind'));
    const early = await thrown(() => session.run({ x }, undefined, before));
    expect(early.code).toBe('work/aborted');
    expect((early.cause as Error).message).toBe('changed my mind');

    const controller = new AbortController();
    const running = session.run({ x }, undefined, controller.signal);
    if (name === 'native') setTimeout(() => controller.abort(), 5);
    else controller.abort();
    expect((await thrown(() => running)).code).toBe('work/aborted');
    expect((await session.run({ x: float32([1, 1], [1]) })).y!.dims).toEqual([1, 1]); // and goes on
  });

  it('does not grow over ten thousand runs', async () => {
    const c = zeros('float32', [2, 3]);
    using binding = open.add.bind({ a: A, b: B }, { c });
    const spin = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        await binding.run();
        if (i % 2 === 0) await open.add.run({ a: A, b: B });
      }
    };
    await spin(2_000);
    const before = process.memoryUsage().rss;
    await spin(10_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
  });
});
