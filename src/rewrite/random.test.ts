/** Random small networks: whatever rules find in them, the outputs stay. */

import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '../../test/run.ts';
import { random } from '../base/random.ts';
import { checkGraph } from '../graph/check.ts';
import { float32, sizeOf } from '../graph/tensor.ts';
import type { Builder } from '../ops/builder.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { difference, foldConstants, rewrite, rules, simplify } from './index.ts';
import { sampleModel } from './rule.ts';
import { batchNorm, positives, values } from './sample.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

type Step = (g: Builder, x: StaticValue, seed: number) => StaticValue;
const channels = (x: StaticValue): number => x.dims[1]!;
const conv =
  (k: number, attrs: Record<string, number | number[]>, bias: boolean): Step =>
  (g, x, seed) => {
    const out = 2 + (seed % 3);
    const W = values(g, [out, channels(x), k, k], seed);
    return bias ? g.Conv(x, W, values(g, [out], seed), attrs) : g.Conv(x, W, attrs);
  };
const pads = [1, 1, 1, 1];

/** Steps from [1, C, h, w] to [1, C', h, w]: places are kept so that any order of them fits. */
const places: Record<string, Step> = {
  point: conv(1, {}, false),
  pointBias: conv(1, {}, true),
  wide: conv(3, { pads }, true),
  depthwise: (g, x, seed) => g.Conv(x, values(g, [channels(x), 1, 3, 3], seed), { group: channels(x), pads }),
  padded: (g, x, seed) => g.Conv(g.Pad(x, [0, 0, 1, 1, 0, 0, 1, 1]), values(g, [3, channels(x), 3, 3], seed)),
  norm: (g, x) => batchNorm(g, x),
  scale: (g, x, seed) => g.Mul(x, positives(g, [channels(x), 1, 1], seed)),
  shift: (g, x, seed) => g.Sub(values(g, [1, channels(x), 1, 1], seed), x),
  half: (g, x) => g.Div(x, 2),
  relu: (g, x) => g.Relu(x),
  sigmoid: (g, x) => g.Sigmoid(x),
  hardSwish: (g, x) => g.Div(g.Mul(x, g.Clip(g.Add(x, 3), 0, 6)), 6),
  gelu: (g, x) => g.Mul(g.Mul(x, 0.5), g.Add(g.Erf(g.Div(x, Math.SQRT2)), 1)),
  residual: (g, x, seed) => g.Add(x, g.Conv(x, values(g, [channels(x), channels(x), 3, 3], seed), { pads })),
  branches: (g, x, seed) =>
    g.Add(
      g.Conv(x, values(g, [3, channels(x), 1, 1], seed)),
      batchNorm(g, g.Conv(x, values(g, [3, channels(x), 3, 3], seed), { pads })),
    ),
  there: (g, x) => g.Transpose(g.Relu(g.Transpose(x, { perm: [0, 2, 3, 1] })), { perm: [0, 3, 1, 2] }),
  twice: (g, x) => g.Transpose(g.Transpose(x, { perm: [0, 2, 3, 1] }), { perm: [0, 3, 1, 2] }),
  reshape: (g, x) => g.Reshape(g.Flatten(x), [...x.dims]),
  same: (g, x) => g.Identity(g.Add(x, 0)),
  pool: (g, x) => g.MaxPool(g.Relu(x), { kernel_shape: [3, 3], pads }),
  dropout: (g, x) => g.Dropout(x),
  alike: (g, x) => g.Mul(g.Tanh(x), g.Tanh(x)),
};

/** Steps from [2, F] (or more axes) to the same but for the last. */
const features = (x: StaticValue): number => x.dims[x.dims.length - 1]!;
const dense: Record<string, Step> = {
  matmul: (g, x, seed) => g.MatMul(x, values(g, [features(x), 2 + (seed % 3)], seed)),
  biased: (g, x, seed) => g.Add(g.MatMul(x, values(g, [features(x), 3], seed)), values(g, [3], seed)),
  stored: (g, x, seed) => g.MatMul(x, g.Transpose(values(g, [4, features(x)], seed), { perm: [1, 0] })),
  scale: (g, x, seed) => g.Mul(values(g, [features(x)], seed), x),
  shift: (g, x, seed) => g.Add(x, values(g, [features(x)], seed)),
  tanh: (g, x) => g.Tanh(x),
  layerNorm: (g, x, seed) => {
    const d = g.Sub(x, g.ReduceMean(x, [-1]));
    const y = g.Div(d, g.Sqrt(g.Add(g.ReduceMean(g.Mul(d, d), [-1]), 1e-3)));
    return g.Add(g.Mul(y, values(g, [features(x)], seed)), values(g, [features(x)], seed + 1));
  },
  squeeze: (g, x) => g.Squeeze(g.Unsqueeze(x, [0]), [0]),
};

const steps = (family: Record<string, Step>) =>
  fc.array(fc.tuple(fc.constantFrom(...Object.keys(family)), fc.nat(9), fc.boolean()), { minLength: 1, maxLength: 7 });

async function keeps(
  family: Record<string, Step>,
  dims: readonly number[],
  chosen: readonly (readonly [string, number, boolean])[],
): Promise<void> {
  const model = sampleModel({
    about: 'random',
    build: (g) => {
      let x = g.input('x', 'float32', dims);
      const seen: StaticValue[] = [];
      for (const [name, seed, isOutput] of chosen) {
        x = family[name]!(g, x, seed);
        // Some values inside are outputs too: rules must leave those names alone.
        if (isOutput) seen.push(x);
      }
      return [...new Set([...seen, x])];
    },
  });
  const source = random(5, 'x');
  const feeds = { x: float32(dims, Float32Array.from({ length: sizeOf(dims) }, source.normal)) };
  const expected = await run(engine, model, feeds);
  const simple = simplify(model).model;
  const folded = simplify((await foldConstants(simple, (part) => run(engine, part, {}))).model).model;
  const spelt = rewrite(
    model,
    Object.values(rules).filter(({ name }) => !OPPOSITES.has(name)),
  );
  for (const now of [simple, folded, spelt.model]) {
    checkGraph(now);
    expect(difference(await run(engine, now, feeds), expected)).toBeLessThan(2e-5);
  }
}

/** Rules that put together what special rules spell out: both at once never end. */
const OPPOSITES = new Set(['matmul-add-to-gemm', 'fold-scale', 'hard-swish', 'hard-swish-times-six']);

it('keeps the outputs of random networks over images', { timeout: 120_000 }, () =>
  fc.assert(
    fc.asyncProperty(steps(places), (chosen) => keeps(places, [1, 3, 6, 6], chosen)),
    { numRuns: 60, seed: 1 },
  ),
);

it('keeps the outputs of random networks over features', { timeout: 120_000 }, () =>
  fc.assert(
    fc.asyncProperty(steps(dense), fc.boolean(), (chosen, isMatrix) =>
      keeps(dense, isMatrix ? [2, 4] : [2, 3, 4], chosen),
    ),
    { numRuns: 60, seed: 2 },
  ),
);
