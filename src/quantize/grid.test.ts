/** Forms of activations: the grids by their formulas, and files of each form on both engines. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { elements, float32, floats, int64 } from '../graph/tensor.ts';
import { writeModel } from '../onnx/index.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import { openEngine } from '../runtime/index.ts';
import { type GridFormName, gridForms, gridOf, LIMITS } from './grid.ts';
import { quantizeAware } from './qat.ts';
import { toQOperators } from './qoperator.ts';
import { quantize } from './quantize.ts';

const NAMES = Object.keys(gridForms) as GridFormName[];

describe('gridOf', () => {
  const range = fc
    .tuple(fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.double({ min: -1e6, max: 1e6, noNaN: true }))
    .map(([a, b]) => ({ lo: Math.min(a, b), hi: Math.max(a, b) }))
    .filter(({ lo, hi }) => hi - lo > 1e-6);

  it.each(NAMES)('covers the range and holds 0, within a step: %s', (name) => {
    fc.assert(
      fc.property(range, ({ lo, hi }) => {
        const { dtype, scale, zeroPoint } = gridOf({ lo, hi }, 'x', name);
        const [bottom, top] = LIMITS[dtype];
        expect(dtype).toBe(gridForms[name].dtype);
        expect(zeroPoint).toBeGreaterThanOrEqual(bottom);
        expect(zeroPoint).toBeLessThanOrEqual(top);
        expect((bottom - zeroPoint) * scale).toBeLessThanOrEqual(Math.min(0, lo) + scale);
        expect((top - zeroPoint) * scale).toBeGreaterThanOrEqual(Math.max(0, hi) - scale);
      }),
    );
  });

  it('puts 0 where the form says', () => {
    const zero = (lo: number, hi: number): number[] => NAMES.map((name) => gridOf({ lo, hi }, 'x', name).zeroPoint);
    expect(NAMES).toEqual(['u8', 's8', 'u8-symmetric', 's8-symmetric']);
    expect(zero(-1, 3)).toEqual([64, -64, 128, 0]);
    expect(zero(0, 3)).toEqual([0, -128, 0, 0]);
    expect(gridOf({ lo: -1, hi: 3 }, 'x', 's8-symmetric').scale).toBe(Math.fround(3 / 127));
    expect(gridOf({ lo: -1, hi: 3 }, 'x', 's8').scale).toBe(gridOf({ lo: -1, hi: 3 }).scale);
    expect(() => gridOf({ lo: 0, hi: 1 }, 'x', 'u16' as GridFormName)).toThrow('u16');
  });
});

const source = random(3, 'forms');
const noise = (dims: readonly number[], size = 1) =>
  float32(
    dims,
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => size * source.normal()),
  );

/** Signed inputs, ReLU, a clamp on both sides, a sum, pooling, and a reshape that only floats read. */
function net(): Model {
  const { g, finish } = draft();
  const x = g.input('x', 'float32', ['N', 6, 8, 8] as unknown as number[]);
  const a = g.Relu(
    g.Conv(x, g.constant(noise([8, 6, 3, 3], 0.2)), g.constant(noise([8], 0.1)), { pads: [1, 1, 1, 1] }),
  );
  const b = g.Conv(a, g.constant(noise([8, 8, 1, 1], 0.4)), null);
  const c = g.Clip(b, g.constant(float32([], [-1])), g.constant(float32([], [1])));
  const d = g.Relu(g.Add(a, c));
  const e = g.GlobalAveragePool(g.MaxPool(d, { kernel_shape: [2, 2], strides: [2, 2] }));
  const y = g.Softmax(g.Reshape(e, g.constant(int64([2], [0, -1]))), { axis: 1 });
  const graph = finish([valueInfo(y.name, 'float32', ['N', 8])]);
  return modelFrom({ ...graph, values: new Map() });
}

describe.each(NAMES)('activations in the form %s', (activations) => {
  const data = inMemory({
    name: 'noise',
    inputs: { x: { dtype: 'float32', dims: [6, 8, 8], data: floats(noise([64, 6, 8, 8])) } },
  });
  const zerosOf = ({ graph }: Model) =>
    graph.nodes
      .filter(({ op }) => op === 'QuantizeLinear')
      .map(({ inputs }) => graph.initializers.get(inputs[2]!)!)
      .map((zero) => [zero.dtype, Number(elements(zero)[0])] as const);

  it('give the answers of the floats, as pairs and as integer operators, natively and in WASM', async () => {
    using native = await openEngine({ threads: 1 });
    using wasm = await openEngine({ engine: 'wasm', threads: 1 });
    const model = net();
    const { model: small, report } = await quantize(model, { data, activations }, { engine: native });
    expect(report.scheme).toContain(`${activations} activations`);
    expect(report.quantized).toBeGreaterThanOrEqual(4);
    const zeros = zerosOf(small);
    expect(new Set(zeros.map(([dtype]) => dtype))).toEqual(new Set([gridForms[activations].dtype]));
    if (activations === 's8-symmetric') expect(zeros.every(([, zero]) => zero === 0)).toBe(true);
    if (activations === 'u8-symmetric') expect(zeros.every(([, zero]) => zero === 0 || zero === 128)).toBe(true);
    const x = noise([4, 6, 8, 8]);
    for (const engine of [native, wasm]) {
      using whole = await engine.load(writeModel(model));
      const [wanted] = Object.values(await whole.run({ x })).map(floats);
      for (const form of [small, toQOperators(small)]) {
        using session = await engine.load(writeModel(form));
        const [given] = Object.values(await session.run({ x })).map(floats);
        const most = given!.reduce((far, value, i) => Math.max(far, Math.abs(value - wanted![i]!)), 0);
        expect(most).toBeLessThan(0.01);
      }
    }
  });

  it('learn', async () => {
    using engine = await openEngine({ threads: 1 });
    const options = { data, activations, epochs: 1, batch: 16, weightBits: 4, activationBits: 5 } as const;
    const { model: small } = await quantizeAware(net(), options, { engine });
    expect(new Set(zerosOf(small).map(([dtype]) => dtype))).toEqual(new Set([gridForms[activations].dtype]));
    using session = await engine.load(writeModel(small));
    const [y] = Object.values(await session.run({ x: noise([2, 6, 8, 8]) })).map(floats);
    expect(y!.every(Number.isFinite)).toBe(true);
  });
});
