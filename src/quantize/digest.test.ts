import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { draft } from '../ops/builder.ts';
import { infer } from '../ops/infer.ts';
import { modelFrom } from '../ops/model-of.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { calibrators } from './calibrate/index.ts';
import { calibrate } from './calibrated.ts';
import { digest, eachPart } from './digest.ts';
import { observe } from './observe.ts';
import { prepare } from './prepare.ts';
import { rangeOf } from './range.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(3, 'digest');
const noise = (count: number): Float32Array => Float32Array.from({ length: count }, () => source.normal() - 0.3);

/** x of this shape, 3 · x, and what is above 0 of it. */
function tripled(dims: readonly number[]): Model {
  const { g, finish } = draft();
  const y = g.Mul(g.input('x', 'float32', ['N', ...dims] as unknown as number[]), 3);
  const z = g.Relu(y);
  const outputs = [y, z].map(({ name }) => valueInfo(name, 'float32', ['N', ...dims]));
  const graph = { ...finish(outputs), values: new Map() };
  return modelFrom(graph);
}

/** Means by channel in float64. */
function meansOf(x: Float32Array, dims: readonly number[], axis: number): number[] {
  const inner = dims.slice(axis + 1).reduce((n, dim) => n * dim, 1);
  const sums = new Array<number>(dims[axis]!).fill(0);
  x.forEach((value, i) => {
    sums[Math.floor(i / inner) % dims[axis]!]! += value;
  });
  return sums.map((sum) => (sum * dims[axis]!) / x.length);
}

it.each([[[5, 4, 3]], [[16, 7, 7]], [[6, 5]], [[9]], [[4, 3, 2, 5]]])(
  'finds ends and means of values [N, %s] as a look at all of them does',
  async (dims) => {
    const model = tripled(dims);
    const rows = 6;
    const x = noise(rows * dims.reduce((a, b) => a * b, 1));
    const data = inMemory({ name: 'x', inputs: { x: { dtype: 'float32', dims, data: x } } });
    const y = x.map((value) => 3 * value);
    const shape = [rows, ...dims];
    const [first, second] = model.graph.outputs.map(({ name }) => name) as [string, string];
    for (const means of ['second', 'last'] as const) {
      const wanted = [
        { name: first, ends: true, means, isNonNegative: false },
        { name: second, ends: true, isNonNegative: true },
      ];
      const { model: shown, tells } = digest(model, infer(model.graph), wanted, true);
      const seen = new Map<string, { x: Float32Array; dims: readonly number[] }>();
      const see = (name: string, value: Float32Array, at: readonly number[]): void => {
        eachPart(value, at, tells.get(name)!, new Map(), ({ of, ends, means: isMean }, x, dims) => {
          if (ends) seen.set(`${of} ends`, { x: x.slice(), dims });
          if (isMean) seen.set(`${of} means`, { x: x.slice(), dims });
        });
      };
      await observe(shown, [...tells.keys()], data, see, { samples: [0, 1, 2, 3, 4, 5], task: 'see' }, { engine });
      expect(rangeOf(seen.get(`${first} ends`)!.x)).toEqual(rangeOf(y));
      expect(rangeOf(seen.get(`${second} ends`)!.x).hi).toBe(rangeOf(y).hi);
      const found = seen.get(`${first} means`)!;
      const axis = means === 'second' ? 1 : shape.length - 1;
      const own = meansOf(found.x, found.dims, means === 'second' ? 1 : found.dims.length - 1);
      meansOf(y, shape, axis).forEach((mean, c) => {
        expect(own[c]).toBeCloseTo(mean, 5);
      });
    }
  },
);

it('shows whole values to a calibrator that counts them', async () => {
  const dims = [16, 9, 9];
  const { g, finish } = draft();
  const x = g.input('x', 'float32', ['N', ...dims] as unknown as number[]);
  const w = g.constant({ dtype: 'float32', dims: [8, 16, 1, 1], bytes: new Uint8Array(noise(128).buffer) });
  const y = g.Conv(x, w, null);
  const graph = { ...finish([valueInfo(y.name, 'float32', ['N', 8, 9, 9])]), values: new Map() };
  const model = prepare(modelFrom(graph));
  const data = inMemory({ name: 'x', inputs: { x: { dtype: 'float32', dims, data: noise(8 * 16 * 81) } } });
  const calibrator = calibrators.percentile();
  let count = 0;
  const counting = {
    ...calibrator,
    see: (state: never, seen: ArrayLike<number>) => {
      count += seen.length;
      calibrator.see(state, seen);
    },
  };
  await calibrate(model, counting as never, data, Int32Array.from([0, 1, 2, 3, 4, 5, 6, 7]), { engine });
  expect(count).toBe(8 * 16 * 81); // not the scores, whose ends are all that counts
});

it('sees values whose number follows from what is fed', async () => {
  const { g, finish } = draft();
  const x = g.input('x', 'float32', ['N', 6] as unknown as number[]);
  const places = g.emit('NonZero', [g.Relu(x)])[0]!;
  const found = g.Cast(places, { to: 1 });
  const graph = { ...finish([valueInfo(found.name, 'float32')]), values: new Map() };
  const model = modelFrom(graph);
  const rows = [1, -1, -1, -1, -1, -1, 1, 1, 1, -1, -1, -1, 1, 1, 1, 1, 1, 1];
  const data = inMemory({ name: 'x', inputs: { x: { dtype: 'float32', dims: [6], data: Float32Array.from(rows) } } });
  const lengths: number[] = [];
  const see = (_: string, value: Float32Array): void => void lengths.push(value.length / 2);
  await observe(model, [found.name], data, see, { samples: [0, 1, 2], task: 'see', batch: 1 }, { engine });
  expect(lengths).toEqual([1, 3, 6]);
});

it('lays what is alike side by side, and tells it apart again', () => {
  const model = tripled([4, 3, 2]);
  const wanted = model.graph.outputs.flatMap(({ name }) => [
    { name, ends: true, means: 'second' as const, isNonNegative: false },
  ]);
  const { tells } = digest(model, infer(model.graph), wanted, true);
  expect(tells.size).toBe(2); // the ends of both, the means of both
  const [ends] = [...tells.values()].filter(({ parts }) => parts[0]!.ends);
  expect(ends!.parts.map(({ channels }) => channels)).toEqual([4, 4]);
  // Two rows of 4 + 4 channels.
  const rows = Float32Array.from({ length: 16 }, (_, i) => i);
  const parts: unknown[] = [];
  const memory = new Map();
  for (const shift of [0, 100]) {
    eachPart(
      rows.map((value) => value + shift),
      [2, 8, 1, 1],
      ends!,
      memory,
      (_, x, dims) => parts.push([[...x], dims]),
    );
  }
  const one = [0, 1, 2, 3, 8, 9, 10, 11];
  const two = [4, 5, 6, 7, 12, 13, 14, 15];
  const all = [one, two, one.map((value) => value + 100), two.map((value) => value + 100)];
  expect(parts).toEqual(all.map((values) => [values, [2, 4, 1, 1]]));
  expect(memory.size).toBe(2);
});

it('finds the range behind what never falls from the range before it', async () => {
  const dims = [4, 5, 5];
  const { g, finish } = draft();
  const x = g.input('x', 'float32', ['N', ...dims] as unknown as number[]);
  const weight = (seed: number) =>
    g.constant({ dtype: 'float32', dims: [4, 4, 1, 1], bytes: new Uint8Array(noise(16 * seed).slice(-16).buffer) });
  const y = g.Conv(x, weight(1), null);
  const z = g.Sigmoid(y);
  const out = g.Conv(z, weight(2), null);
  const graph = { ...finish([valueInfo(out.name, 'float32', ['N', ...dims])]), values: new Map() };
  const model = prepare({ ir: 10, opsets: { '': 21 }, producer: { name: '', version: '' }, metadata: {}, graph });
  const data = inMemory({ name: 'x', inputs: { x: { dtype: 'float32', dims, data: noise(8 * 100) } } });
  const samples = Int32Array.from({ length: 8 }, (_, i) => i);
  const { ranges } = await calibrate(model, calibrators.minmax(), data, samples, { engine });
  const seen: number[] = [];
  const see = (_: string, value: Float32Array): void => void seen.push(...value);
  await observe(model, [z.name], data, see, { samples, task: 'see' }, { engine });
  const { lo, hi } = ranges.get(z.name)!;
  expect(lo).toBeCloseTo(Math.min(...seen), 6);
  expect(hi).toBeCloseTo(Math.max(...seen), 6);
});

it.each(Object.entries(calibrators))('reads samples into the same memory again and again: %s', async (_, make) => {
  const dims = [4, 5, 5];
  const { g, finish } = draft();
  const x = g.input('x', 'float32', ['N', ...dims] as unknown as number[]);
  const w = g.constant({ dtype: 'float32', dims: [4, 4, 1, 1], bytes: new Uint8Array(noise(16).buffer) });
  const y = g.Relu(g.Conv(x, w, null));
  const graph = { ...finish([valueInfo(y.name, 'float32', ['N', ...dims])]), values: new Map() };
  const model = prepare({ ir: 10, opsets: { '': 21 }, producer: { name: '', version: '' }, metadata: {}, graph });
  const memory = new Set<ArrayBufferLike>();
  const given = new Set<ArrayBufferLike>();
  const stored = inMemory({ name: 'x', inputs: { x: { dtype: 'float32', dims, data: noise(200 * 100) } } });
  const data = {
    ...stored,
    fill(column: string, indices: ArrayLike<number>, into: Float32Array) {
      memory.add(into.buffer);
      stored.fill(column, indices, into);
    },
  };
  const calibrator = make();
  const watching = {
    ...calibrator,
    see(state: never, seen: Float32Array) {
      if (seen.length > 1000) given.add(seen.buffer);
      calibrator.see(state, seen);
    },
  };
  const samples = Int32Array.from({ length: 200 }, (_, i) => i);
  await calibrate(model, watching as never, data as never, samples, { engine });
  // Seven batches: six of 32 samples, and the last, which takes the beginning of theirs.
  expect(memory.size).toBe(1);
  expect(given.size).toBeLessThanOrEqual(2);
});
