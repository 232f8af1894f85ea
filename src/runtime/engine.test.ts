/** What every engine promises, asked of both. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PareError } from '../base/error.ts';
import { byteLength, DTYPES, type DType } from '../graph/dtype.ts';
import { elements, float32, floats, int64, type Tensor, tensor, zeros } from '../graph/tensor.ts';
import { openCopier } from './copier.ts';
import type { Engine, Session } from './engine.ts';
import { openEngine } from './open.ts';
import { tinyOnnx } from './tiny-onnx.ts';

const ADD = tinyOnnx({
  nodes: [{ op: 'Add', name: 'sum', inputs: ['a', 'b'], outputs: ['c'] }],
  inputs: [
    { name: 'a', dims: ['N', 3] },
    { name: 'b', dims: [3] },
  ],
  outputs: [{ name: 'c', dims: ['N', 3] }],
});

const MATMUL = tinyOnnx({
  nodes: [
    { op: 'MatMul', name: 'product', inputs: ['x', 'w'], outputs: ['h'] },
    { op: 'Relu', name: 'clip', inputs: ['h'], outputs: ['y'] },
  ],
  inputs: [{ name: 'x', dims: ['N', 2] }],
  outputs: [
    { name: 'y', dims: ['N', 2] },
    { name: 'h', dims: ['N', 2] },
  ],
  weights: { w: { dims: [2, 2], data: Float32Array.of(1, -1, 2, -2) } },
});

const identity = (dtype: DType, dims?: (number | string)[]): Uint8Array => {
  const value = { code: DTYPES[dtype].code, ...(dims && { dims }) };
  return tinyOnnx({
    nodes: [{ op: 'Identity', name: 'same', inputs: ['x'], outputs: ['y'] }],
    inputs: [{ name: 'x', ...value }],
    outputs: [{ name: 'y', ...value }],
    opsets: { '': 25 },
  });
};

/** A chain of products that takes long enough to be caught in the act. */
const chain = (length: number): Uint8Array =>
  tinyOnnx({
    nodes: Array.from({ length }, (_, i) => ({
      op: 'MatMul',
      name: `product${i}`,
      inputs: [i ? `h${i}` : 'x', 'x'],
      outputs: [i === length - 1 ? 'y' : `h${i + 1}`],
    })),
    inputs: [{ name: 'x', dims: ['N', 'N'] }],
    outputs: [{ name: 'y', dims: ['N', 'N'] }],
  });

const thrown = async (work: () => unknown): Promise<PareError> => {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(PareError);
    return error as PareError;
  }
  throw new Error('nothing was thrown');
};

const A = float32([2, 3], [1, 2, 3, 4, 5, 6]);
const B = float32([3], [10, 20, 30]);
const SUM = [11, 22, 33, 14, 25, 36];

for (const name of ['native', 'wasm'] as const) {
  describe(`engine ${name}`, () => {
    let engine: Engine;
    let add: Session;

    beforeAll(async () => {
      engine = await openEngine({ engine: name, threads: 2 });
      add = await engine.load(ADD);
    });
    afterAll(() => {
      add[Symbol.dispose]();
      engine[Symbol.dispose]();
    });

    it('says who it is', () => {
      expect(engine.name).toBe(name);
      expect(engine.version).toMatch(/^1\.\d+\.\d+/);
      expect(engine.providers).toContain('CPUExecutionProvider');
      expect(name === 'native' ? [0, 8, 16] : [0]).toContain(engine.blockSize);
      expect(engine.threads).toBeGreaterThan(0);
    });

    it('lists the ports of a graph', () => {
      expect(add.inputs).toEqual([
        { name: 'a', dtype: 'float32', dims: [-1, 3] },
        { name: 'b', dtype: 'float32', dims: [3] },
      ]);
      expect(add.outputs).toEqual([{ name: 'c', dtype: 'float32', dims: [-1, 3] }]);
    });

    it('runs a graph and returns fresh tensors', async () => {
      const { c } = await add.run({ a: A, b: B });
      expect(c!.dims).toEqual([2, 3]);
      expect([...floats(c!)]).toEqual(SUM);
      expect((await add.run({ a: A, b: B })).c!.bytes.buffer).not.toBe(c!.bytes.buffer);
    });

    it('returns all outputs, or those asked for', async () => {
      using session = await engine.load(MATMUL, { optimize: 'none' });
      const x = float32([1, 2], [3, 4]);
      const { y, h } = await session.run({ x });
      expect([...floats(h!)]).toEqual([11, -11]);
      expect([...floats(y!)]).toEqual([11, 0]);
      expect(Object.keys(await session.run({ x }, ['h']))).toEqual(['h']);
    });

    it('loads a graph at every optimisation level and with engine settings', async () => {
      for (const optimize of ['none', 'basic', 'extended', 'all'] as const) {
        using session = await engine.load(MATMUL, {
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
      expect([...floats((await add.run({ a, b: B })).c!)]).toEqual(SUM);

      const into = new Uint8Array(A.bytes.length + 1);
      const c: Tensor = { ...A, bytes: into.subarray(1) };
      using binding = add.bind({ a, b: B }, { c });
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
        expect([...floats((await add.run({ a: tensor('float32', [2, 3], memory), b: B })).c!)]).toEqual(SUM);
      }
    });

    it('writes outputs into the memory of a binding, in place if asked', async () => {
      const w = float32([2, 3], Float32Array.from([1, 2, 3, 4, 5, 6]));
      using binding = add.bind({ a: w, b: B }, { c: w });
      await binding.run();
      expect([...floats(w)]).toEqual(SUM);
      await binding.run();
      expect([...floats(w)]).toEqual([21, 42, 63, 24, 45, 66]);
      if (!binding.runSync) return;
      binding.runSync();
      expect([...floats(w)]).toEqual([31, 62, 93, 34, 65, 96]);
    });

    it('keeps outputs with the device, reads them there and writes there', async () => {
      const kept = await add.keep({ a: A, b: B }, ['c']);
      expect(kept.c).toMatchObject({ dtype: 'float32', dims: [2, 3] });
      const c = zeros('float32', [2, 3]);
      using once = add.bind({ a: kept.c!, b: B }, { c });
      await once.run();
      expect([...floats(c)]).toEqual(SUM.map((value, i) => value + floats(B)[i % 3]!));
      using back = add.bind({ a: A, b: B }, { c: kept.c! });
      await back.run();
      await once.run();
      expect([...floats(c)]).toEqual(SUM.map((value, i) => value + floats(B)[i % 3]!));
      using copier = await openCopier(engine, [A]);
      const [placed] = await copier.place([A]);
      await copier.copy([kept.c!], [placed!]);
      await copier.copy([placed!], [c]);
      expect([...floats(c)]).toEqual(SUM);
      for (const resident of [kept.c!, placed!, placed!]) resident[Symbol.dispose]();
      const misfit = add.bind.bind(add, { a: kept.c!, b: B }, { c: { dtype: 'int64', dims: [2, 3] } as never });
      expect((await thrown(misfit)).code).toBe('engine/feed');
      expect((await thrown(() => add.keep({ a: A }, ['c']))).code).toBe('engine/feed');
    });

    it('writes into memory shorter than V8 moves about', async () => {
      using session = await engine.load(identity('float32', ['N']));
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
      using session = await engine.load(identity(dtype));
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
          session = await engine.load(identity(dtype, [4]));
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
      using session = await engine.load(identity('string', ['N']));
      const strings = ['', 'pare', 'größer', '日本語', '🙂'];
      expect((await session.run({ x: tensor('string', [5], strings) })).y!.strings).toEqual(strings);
      expect((await session.run({ x: tensor('string', [0], []) })).y!.strings).toEqual([]);
      const error = await thrown(() =>
        session.bind({ x: tensor('string', [5], strings) }, { y: tensor('string', [5], strings) }),
      );
      expect(error.code).toBe('engine/type');
    });

    it('runs two sessions at once, and one session twice at once', async () => {
      using other = await engine.load(MATMUL);
      const [one, two, three] = await Promise.all([
        add.run({ a: A, b: B }),
        other.run({ x: float32([1, 2], [3, 4]) }),
        add.run({ a: B.dims.length === 1 ? float32([1, 3], [1, 1, 1]) : A, b: B }),
      ]);
      expect([...floats(one.c!)]).toEqual(SUM);
      expect([...floats(two.y!)]).toEqual([11, 0]);
      expect([...floats(three.c!)]).toEqual([11, 21, 31]);
    });

    it('explains a wrong feed in its own words', async () => {
      const cases = [
        [{ a: A }, 'Input "b" is missing.'],
        [{ a: A, b: int64([3], [1, 2, 3]) }, 'Input "b" is float32, not int64.'],
        [{ a: A, b: float32([1, 3], [1, 2, 3]) }, 'Input "b" takes [3], not [1, 3].'],
        [{ a: float32([2, 2], [1, 2, 3, 4]), b: B }, 'Input "a" takes [?, 3], not [2, 2].'],
        [{ a: { ...A, dims: [3, 3] }, b: B }, 'The memory of input "a" does not hold float32 [3, 3].'],
        [{ a: A, b: B, bias: B }, 'This graph has no input "bias".'],
        [{ a: A, b: B, A }, 'This graph has no input "A"; did you mean "a"?'],
      ] as const;
      for (const [feeds, message] of cases) {
        for (const work of [() => add.run(feeds), () => add.bind(feeds, {})]) {
          const error = await thrown(work);
          expect(error.code).toBe('engine/feed');
          expect(error.message).toBe(message);
        }
      }
      expect((await thrown(() => add.run({ a: A, b: B }, ['d']))).message).toContain('no output "d"');
      expect((await thrown(() => add.bind({ a: A, b: B }, { c: int64([1], [1]) }))).code).toBe('engine/feed');
    });

    it('refuses an output of the wrong size', async () => {
      using binding = add.bind({ a: A, b: B }, { c: zeros('float32', [1, 3]) });
      expect((await thrown(() => binding.run())).code).toBe('engine/run');
      expect([...floats((await add.run({ a: A, b: B })).c!)]).toEqual(SUM);
    });

    it('names the node that failed', async () => {
      const reshape = tinyOnnx({
        nodes: [{ op: 'Reshape', name: 'fold', inputs: ['x', 's'], outputs: ['y'] }],
        inputs: [
          { name: 'x', dims: ['N'] },
          { name: 's', code: DTYPES.int64.code, dims: [1] },
        ],
        outputs: [{ name: 'y' }],
      });
      using session = await engine.load(reshape);
      const error = await thrown(() => session.run({ x: float32([3], [1, 2, 3]), s: int64([1], [2]) }));
      expect(error.code).toBe('engine/run');
      expect(error.message).toContain('Input shape:{3}, requested shape:{2}');
      expect(error.message).not.toMatch(/\.h:|onnxruntime::|ERROR_CODE/);
      expect(error.detail.where).toBe(name === 'native' ? 'fold' : undefined); // WASM does not say
    });

    it('explains why a model does not load', async () => {
      const unknown = tinyOnnx({
        nodes: [{ op: 'Frobnicate', name: 'odd', inputs: ['x'], outputs: ['y'] }],
        inputs: [{ name: 'x', dims: [1] }],
        outputs: [{ name: 'y', dims: [1] }],
      });
      const error = await thrown(() => engine.load(unknown));
      expect(error.code).toBe('engine/load');
      expect(error.message).toContain('Frobnicate');
      expect(error.detail.where).toBe(name === 'native' ? 'odd' : undefined);
      expect((await thrown(() => engine.load(ADD.subarray(0, ADD.length - 30)))).code).toBe('engine/load');
      expect((await thrown(() => engine.load(new Uint8Array(0)))).code).toBe('engine/load');
      expect((await thrown(() => engine.load('/nowhere/at-all.onnx'))).code).toBe('engine/load');
    });

    it('leaves out outputs that are no tensors, and says so when one is asked for', async () => {
      const sequence = tinyOnnx({
        nodes: [
          { op: 'SequenceConstruct', inputs: ['x'], outputs: ['s'] },
          { op: 'SequenceLength', inputs: ['s'], outputs: ['n'] },
        ],
        inputs: [{ name: 'x', dims: [2] }],
        outputs: [
          { name: 's', untyped: true },
          { name: 'n', code: DTYPES.int64.code, dims: [] },
        ],
      });
      using session = await engine.load(sequence);
      const x = float32([2], [1, 2]);
      expect((await thrown(() => session.run({ x }, ['s']))).code).toBe('engine/type');
      const outputs = await session.run({ x });
      expect(Object.keys(outputs)).toEqual(['n']);
      expect(Number(elements(outputs.n!)[0])).toBe(1);
    });

    it('has no device that is not there', async () => {
      const error = await thrown(() => openEngine({ engine: name, device: 'cuda' }));
      expect(error.code).toBe('engine/device');
      expect(error.message).toContain('cuda');
    });

    it('is disposed once, however often it is told', async () => {
      const session = await engine.load(ADD);
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
      const session = await engine.load(chain(8));
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
      using session = await engine.load(chain(8));
      const y = zeros('float32', [128, 128]);
      using binding = session.bind({ x: zeros('float32', [128, 128]) }, { y });
      const first = binding.run();
      expect((await thrown(() => binding.run())).code).toBe('engine/busy');
      await first;
      await binding.run();
    });

    it('stops when it is told to', async () => {
      using session = await engine.load(chain(60));
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
      using binding = add.bind({ a: A, b: B }, { c });
      const spin = async (times: number): Promise<void> => {
        for (let i = 0; i < times; i++) {
          await binding.run();
          if (i % 2 === 0) await add.run({ a: A, b: B });
        }
      };
      await spin(2_000);
      const before = process.memoryUsage().rss;
      await spin(10_000);
      expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
    });
  });
}
