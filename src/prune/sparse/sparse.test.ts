import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import { inMemory } from '../../data/index.ts';
import { valueInfo } from '../../graph/edit.ts';
import type { Model } from '../../graph/model.ts';
import { float32, numbers } from '../../graph/tensor.ts';
import { draft } from '../../ops/builder.ts';
import { modelFrom } from '../../ops/model-of.ts';
import type { StaticValue } from '../../ops/op.ts';
import { type Engine, openEngine } from '../../runtime/index.ts';
import { fit } from '../../train/index.ts';
import { keepStrongest, parsePattern, sparsify, withMasks, withoutMasks } from './index.ts';
import { sparsifyRows } from './sparse-gpt.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(5, 'sparse');
const drawn = (count: number): Float64Array => Float64Array.from({ length: count }, () => source.normal());
/** Rows of numbers that depend on each other, as activations do: all hold a part of the same few. */
const readings = (count: number, width: number): Float64Array[] => {
  const common = [drawn(width), drawn(width)];
  return Array.from({ length: count }, () => {
    const [own, shared] = [drawn(width), drawn(2)];
    return own.map((z, j) => 0.5 * z + shared[0]! * common[0]![j]! + shared[1]! * common[1]![j]!);
  });
};
const gramOf = (rows: readonly Float64Array[], width: number): Float64Array => {
  const gram = new Float64Array(width * width);
  for (const x of rows)
    for (let i = 0; i < width; i++)
      for (let j = 0; j < width; j++) gram[i * width + j]! += (x[i]! * x[j]!) / rows.length;
  return gram;
};
const errorOf = (W: Float64Array, V: Float64Array, rows: readonly Float64Array[], width: number): number => {
  let error = 0;
  for (const x of rows)
    for (let r = 0; r < W.length; r += width) {
      let difference = 0;
      for (let j = 0; j < width; j++) difference += (W[r + j]! - V[r + j]!) * x[j]!;
      error += difference ** 2;
    }
  return error;
};

describe('patterns', () => {
  it('reads shares and N:M, and nothing else', () => {
    expect(parsePattern('50%')).toEqual({ zeros: 0.5 });
    expect(parsePattern('0.9')).toEqual({ zeros: 0.9 });
    expect(parsePattern('2:4')).toEqual({ keep: 2, of: 4 });
    for (const text of ['', '4:2', '0', '1', 'half', '2:']) expect(() => parsePattern(text)).toThrow(/no pattern/);
  });

  it('keeps the N strongest of every M, and what is left over', () => {
    const scores = Float64Array.from([4, 1, 3, 2, 9, 1, 2, 8, 0, 0.1]);
    expect([...keepStrongest(scores, 10, { keep: 2, of: 4 })]).toEqual([1, 0, 1, 0, 1, 0, 0, 1, 1, 1]);
    expect([...keepStrongest(scores, 10, { zeros: 0.3 })]).toEqual([1, 0, 1, 1, 1, 1, 1, 1, 0, 0]);
  });
});

describe('sparsifyRows', () => {
  it('is the closed form of one connection removed: the rest moves by OBS', () => {
    // One row, one connection goes: W − w_p / [H⁻¹]_pp · H⁻¹ e_p for the columns still to come.
    const width = 3;
    const gram = Float64Array.from([2, 0.5, 0.2, 0.5, 1, 0.3, 0.2, 0.3, 1.5]);
    const W = Float64Array.from([0.01, 1, 2]);
    const kept = sparsifyRows(W, width, gram, { zeros: 1 / 3 });
    expect([...kept]).toEqual([0, 1, 1]);
    // H⁻¹ e_0 by Cramer's rule, with the damping of one per cent of the mean diagonal.
    const damp = 0.01 * ((4 + 2 + 3) / 3);
    const [a, b, c] = [4 + damp, 2 + damp, 3 + damp];
    const [p, q, r] = [1, 0.4, 0.6];
    const column = [b * c - r * r, -(p * c - q * r), p * r - q * b];
    expect(a * column[0]! + p * column[1]! + q * column[2]!).toBeGreaterThan(0);
    expect(W[0]).toBe(0);
    expect(W[1]).toBeCloseTo(1 - (0.01 / column[0]!) * column[1]!, 10);
    expect(W[2]).toBeCloseTo(2 - (0.01 / column[0]!) * column[2]!, 10);
  });

  for (const pattern of [{ zeros: 0.5 }, { keep: 2, of: 4 }]) {
    it(`errs less than the same share of weakest weights set to zero (${JSON.stringify(pattern)})`, () => {
      const [width, height] = [16, 8];
      const rows = readings(400, width);
      const W = drawn(width * height);
      const moved = W.slice();
      const kept = sparsifyRows(moved, width, gramOf(rows, width), pattern);
      expect(kept.filter((stays) => stays === 0).length).toBe((width * height) / 2);
      moved.forEach((w, i) => {
        if (!kept[i]) expect(w).toBe(0);
      });
      const plain = keepStrongest(W.map(Math.abs), width, pattern);
      expect(errorOf(moved, W, rows, width)).toBeLessThan(
        0.6 *
          errorOf(
            W.map((w, i) => w * plain[i]!),
            W,
            rows,
            width,
          ),
      );
    });
  }
});

function network(): Model {
  const building = draft<StaticValue>();
  const { g } = building;
  const x = g.input('x', 'float32', ['N', 8]);
  const hidden = g.Relu(g.Gemm(x, g.constant(float32([16, 8], drawn(128)), 'V'), g.constant(float32([16], drawn(16)), 'c'), { transB: 1 }));
  const y = g.MatMul(hidden, g.constant(float32([16, 3], drawn(48)), 'W'));
  const graph = building.finish([valueInfo(y.name, 'float32', ['N', 3])]);
  return modelFrom(graph);
} // biome-ignore format: short

const data = inMemory({
  name: 'points',
  inputs: { x: { dtype: 'float32', dims: [8], data: Float32Array.from(drawn(64 * 8)) } },
  labels: { dtype: 'int64', dims: [], data: BigInt64Array.from({ length: 64 }, (_, i) => BigInt(i % 3)) },
});

describe('sparsify', () => {
  for (const by of ['magnitude', 'wanda', 'sparse-gpt'] as const) {
    it(`${by} makes the pattern in every layer and says what the file becomes`, async () => {
      const { model, report } = await sparsify(
        network(),
        { pattern: { keep: 2, of: 4 }, by, data },
        { engine, seed: 1 },
      );
      expect(report.zeros.after).toBeCloseTo(0.5, 10);
      expect(report.gzipBytes.after).toBeLessThan(report.gzipBytes.before);
      // The matrix product sums over its first axis: two of four neighbours along it.
      const W = numbers(model.graph.initializers.get('W')!);
      for (let o = 0; o < 3; o++)
        for (let i = 0; i < 16; i += 4) expect([0, 1, 2, 3].filter((k) => W[(i + k) * 3 + o] === 0)).toHaveLength(2);
    });
  }

  it('asks for data where it is needed', async () => {
    await expect(sparsify(network(), { pattern: { zeros: 0.5 }, by: 'wanda' }, { engine })).rejects.toMatchObject({
      code: 'prune/data',
    });
  });

  it('keeps its zeros while the rest learns', async () => {
    const lab = { engine, seed: 1 };
    const { model, masks } = await sparsify(network(), { pattern: { zeros: 0.75 } }, lab);
    const { model: learning, isMask } = withMasks(model, masks);
    const { model: learnt } = await fit(learning, data, { epochs: 2, batch: 16, learns: (name) => !isMask(name) }, lab);
    const tuned = withoutMasks(model, learnt, masks);
    for (const [name, mask] of masks) {
      const [before, after] = [model, tuned].map(({ graph }) => numbers(graph.initializers.get(name)!));
      expect(mask.every((stays, i) => stays === 1 || after![i] === 0)).toBe(true);
      expect(mask.some((stays, i) => stays === 1 && after![i] !== before![i])).toBe(true);
    }
    expect(tuned.graph.nodes).toEqual(model.graph.nodes);
  });
});
