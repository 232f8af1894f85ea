/** What every engine does, asked of both: it runs graphs on any memory and of any type. */

import { expect, it } from 'vitest';
import { A, B, identity, MATMUL, onBothEngines, SUM, thrown } from '../../test/engines.ts';
import type { PareError } from '../base/error.ts';
import { byteLength, DTYPES, type DType } from '../graph/dtype.ts';
import { elements, float32, floats, type Tensor, tensor, zeros } from '../graph/tensor.ts';
import { openCopier } from './copier.ts';
import type { Session } from './engine.ts';

onBothEngines((name, open) => {
  it('says who it is', () => {
    expect(open.engine.name).toBe(name);
    expect(open.engine.version).toMatch(/^1\.\d+\.\d+/);
    expect(open.engine.providers).toContain('CPUExecutionProvider');
    expect(name === 'native' ? [0, 8, 16] : [0]).toContain(open.engine.blockSize);
    expect(open.engine.threads).toBeGreaterThan(0);
  });

  it('lists the ports of a graph', () => {
    expect(open.add.inputs).toEqual([
      { name: 'a', dtype: 'float32', dims: [-1, 3] },
      { name: 'b', dtype: 'float32', dims: [3] },
    ]);
    expect(open.add.outputs).toEqual([{ name: 'c', dtype: 'float32', dims: [-1, 3] }]);
  });

  it('runs a graph and returns fresh tensors', async () => {
    const { c } = await open.add.run({ a: A, b: B });
    expect(c!.dims).toEqual([2, 3]);
    expect([...floats(c!)]).toEqual(SUM);
    expect((await open.add.run({ a: A, b: B })).c!.bytes.buffer).not.toBe(c!.bytes.buffer);
  });

  it('returns all outputs, or those asked for', async () => {
    using session = await open.engine.load(MATMUL, { optimize: 'none' });
    const x = float32([1, 2], [3, 4]);
    const { y, h } = await session.run({ x });
    expect([...floats(h!)]).toEqual([11, -11]);
    expect([...floats(y!)]).toEqual([11, 0]);
    expect(Object.keys(await session.run({ x }, ['h']))).toEqual(['h']);
  });

  it('loads a graph at every optimisation level and with engine settings', async () => {
    for (const optimize of ['none', 'basic', 'extended', 'all'] as const) {
      using session = await open.engine.load(MATMUL, {
        optimize,
        threads: 1,
        config: { 'session.disable_prepacking': '1' },
      });
      expect([...floats((await session.run({ x: float32([1, 2], [3, 4]) })).y!)]).toEqual([11, 0]);
    }
  });

  it('reads bytes that are aligned to nothing', async () => {
    const shifted = new Uint8Array(A.bytes.length + 1);
    shifted.set(A.bytes, 1);
    const a: Tensor = { ...A, bytes: shifted.subarray(1) };
    expect([...floats((await open.add.run({ a, b: B })).c!)]).toEqual(SUM);

    const into = new Uint8Array(A.bytes.length + 1);
    const c: Tensor = { ...A, bytes: into.subarray(1) };
    using binding = open.add.bind({ a, b: B }, { c });
    await binding.run();
    expect([...floats(c)]).toEqual(SUM);
    shifted.fill(0); // the caller's memory is read anew at each run
    await binding.run();
    expect([...floats(c)]).toEqual([10, 20, 30, 10, 20, 30]);
  });

  it('reads shared memory and the memory of a WASM module', async () => {
    const shared = new Float32Array(new SharedArrayBuffer(24));
    const { buffer } = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const wasm = new Float32Array(buffer, 64, 6);
    for (const memory of [shared, wasm]) {
      memory.set(floats(A));
      expect([...floats((await open.add.run({ a: tensor('float32', [2, 3], memory), b: B })).c!)]).toEqual(SUM);
    }
  });

  it('writes outputs into the memory of a binding, in place if asked', async () => {
    const w = float32([2, 3], Float32Array.from([1, 2, 3, 4, 5, 6]));
    using binding = open.add.bind({ a: w, b: B }, { c: w });
    await binding.run();
    expect([...floats(w)]).toEqual(SUM);
    await binding.run();
    expect([...floats(w)]).toEqual([21, 42, 63, 24, 45, 66]);
    if (!binding.runSync) return;
    binding.runSync();
    expect([...floats(w)]).toEqual([31, 62, 93, 34, 65, 96]);
  });

  it('keeps outputs with the device, reads them there and writes there', async () => {
    const kept = await open.add.keep({ a: A, b: B }, ['c']);
    expect(kept.c).toMatchObject({ dtype: 'float32', dims: [2, 3] });
    const c = zeros('float32', [2, 3]);
    using once = open.add.bind({ a: kept.c!, b: B }, { c });
    await once.run();
    expect([...floats(c)]).toEqual(SUM.map((value, i) => value + floats(B)[i % 3]!));
    using back = open.add.bind({ a: A, b: B }, { c: kept.c! });
    await back.run();
    await once.run();
    expect([...floats(c)]).toEqual(SUM.map((value, i) => value + floats(B)[i % 3]!));
    using copier = await openCopier(open.engine, [A]);
    const [placed] = await copier.place([A]);
    await copier.copy([kept.c!], [placed!]);
    await copier.copy([placed!], [c]);
    expect([...floats(c)]).toEqual(SUM);
    for (const resident of [kept.c!, placed!, placed!]) resident[Symbol.dispose]();
    const misfit = open.add.bind.bind(open.add, { a: kept.c!, b: B }, { c: { dtype: 'int64', dims: [2, 3] } as never });
    expect((await thrown(misfit)).code).toBe('engine/feed');
    expect((await thrown(() => open.add.keep({ a: A }, ['c']))).code).toBe('engine/feed');
  });

  it('writes into memory shorter than V8 moves about', async () => {
    using session = await open.engine.load(identity('float32', ['N']));
    const into = { dtype: 'float32', dims: [1], bytes: new Uint8Array(4) } as const;
    using binding = session.bind({ x: float32([1], [7]) }, { y: into });
    const clutter = Array.from({ length: 2e5 }, (_, i) => ({ i }));
    await binding.run();
    expect(clutter.length).toBe(2e5);
    expect([...floats(into)]).toEqual([7]);
  });

  it.each([
    'float32',
    'float64',
    'float16',
    'int8',
    'uint8',
    'int16',
    'uint16',
    'int32',
    'uint32',
    'int64',
    'uint64',
    'bool',
  ] as const)('carries %s there and back, in every shape', async (dtype) => {
    using session = await open.engine.load(identity(dtype));
    for (const dims of [[2, 3], [], [0, 4], [1]]) {
      const x = zeros(dtype, dims);
      for (const i of x.bytes.keys()) x.bytes[i] = dtype === 'bool' ? i % 2 : i + 1;
      const { y } = await session.run({ x });
      expect(y!.dtype).toBe(dtype);
      expect(y!.dims).toEqual(dims);
      expect([...y!.bytes]).toEqual([...x.bytes]);
      using binding = session.bind({ x }, { y: y! });
      await binding.run();
      expect(elements(y!)).toEqual(elements(x));
    }
  });

  it.each((Object.keys(DTYPES) as DType[]).filter((dtype) => /bfloat|float8|float4|int4|int2/.test(dtype)))(
    'carries %s, or says that it cannot',
    async (dtype) => {
      const x = { dtype, dims: [4], bytes: Uint8Array.from({ length: byteLength(dtype, 4) }, (_, i) => i + 17) };
      let session: Session;
      try {
        session = await open.engine.load(identity(dtype, [4]));
      } catch (error) {
        expect((error as PareError).code).toBe('engine/load'); // no kernel for this type
        return;
      }
      using _ = session;
      try {
        const { y } = await session.run({ x });
        expect(y!.dtype).toBe(dtype);
        expect([...y!.bytes]).toEqual([...x.bytes]);
      } catch (error) {
        expect((error as PareError).code).toBe('engine/type');
      }
    },
  );

  it('carries strings', async () => {
    using session = await open.engine.load(identity('string', ['N']));
    const strings = ['', 'pare', 'größer', '日本語', '🙂'];
    expect((await session.run({ x: tensor('string', [5], strings) })).y!.strings).toEqual(strings);
    expect((await session.run({ x: tensor('string', [0], []) })).y!.strings).toEqual([]);
    const error = await thrown(() =>
      session.bind({ x: tensor('string', [5], strings) }, { y: tensor('string', [5], strings) }),
    );
    expect(error.code).toBe('engine/type');
  });

  it('runs two sessions at once, and one session twice at once', async () => {
    using other = await open.engine.load(MATMUL);
    const [one, two, three] = await Promise.all([
      open.add.run({ a: A, b: B }),
      other.run({ x: float32([1, 2], [3, 4]) }),
      open.add.run({ a: B.dims.length === 1 ? float32([1, 3], [1, 1, 1]) : A, b: B }),
    ]);
    expect([...floats(one.c!)]).toEqual(SUM);
    expect([...floats(two.y!)]).toEqual([11, 0]);
    expect([...floats(three.c!)]).toEqual([11, 21, 31]);
  });
});
