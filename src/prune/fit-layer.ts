/**
 * One layer's weights solved for: least squares held to the weights as they are.
 *
 *   minimise  Σ ‖y − W·x − b‖² + λ d ‖W − W₀‖²       x: what the layer reads; y: what it shall answer
 *   W = W₀ + (G + λ d)⁻¹ (B − G W₀)                  G = Σ x xᵀ, B = Σ x yᵀ, d: the mean of G's diagonal
 *
 * λ is the one of a few that errs least on batches kept apart, and then all batches are fitted with it; where none errs
 * less than W₀, the weights stay as they are.
 */

import type { Model } from '../graph/model.ts';
import { float32, numbers } from '../graph/tensor.ts';
import { ridge } from '../linear/cholesky.ts';
import { type Matrix, matrix, product } from '../linear/matrix.ts';
import type { Builder } from '../ops/builder.ts';
import type { StaticValue } from '../ops/op.ts';
import type { LinearLayer } from './layer.ts';
import { tensorLike } from './tensor-like.ts';

/** Where there is one batch only. */
const FALLBACK = 1e-3;
const LAMBDAS = [1e-4, 1e-3, 1e-2, 0.1, 1];

/** Means of x xᵀ and x yᵀ, group after group. */
export interface Moments {
  readonly gram: Float64Array;
  readonly cross: Float64Array;
}

/** Something of the batches that are fitted to; where some were kept apart, of those, and of all. */
export type Parts<T> =
  | { readonly seen: T; readonly held?: undefined }
  | { readonly seen: T; readonly held: T; readonly all: T };

/** What is fitted, and where its constant term is kept: added to a bias, or taken from the mean of a normalisation. */
export interface Fittable extends Pick<LinearLayer, 'groups' | 'width' | 'height' | 'weight' | 'at'> {
  readonly constant?: { readonly name: string; readonly sign: 1 | -1 } | undefined;
}

/** Rows [groups, places, width] with a column of ones for the constant term. */
export function withOnes(g: Builder, rows: StaticValue): StaticValue {
  const [groups, count] = rows.dims as [number, number, number];
  const ones = g.constant(float32([groups, count, 1], new Float32Array(groups * count).fill(1)), 'ones');
  return g.Concat(rows, ones, { axis: 2 });
}

/** Moments of both parts together, where `share` of all batches is in the second. */
export const blend = (a: Moments, b: Moments, share: number): Moments => {
  const mixed = (x: Float64Array, y: Float64Array) => x.map((value, i) => value + share * (y[i]! - value));
  return { gram: mixed(a.gram, b.gram), cross: mixed(a.cross, b.cross) };
};

/** The model with this layer's weights and constant term solved for, group by group. `lambda`: the only one to try. */
export function withFit(model: Model, layer: Fittable, moments: Parts<Moments>, lambda?: number): Model {
  const { groups, width, height, weight, constant, at } = layer;
  const { initializers } = model.graph;
  const W = Float64Array.from(numbers(initializers.get(weight)!));
  const c = constant && Float64Array.from(numbers(initializers.get(constant.name)!));
  const isBias = constant?.sign === 1;
  const n = width + (c ? 1 : 0);
  for (let group = 0; group < groups; group++) {
    const before = matrix(n, height);
    for (let i = 0; i < n; i++)
      for (let o = 0; o < height; o++)
        before.data[i * height + o] = i < width ? W[at(group, o, i)]! : isBias ? c![group * height + o]! : 0;
    const missingIn = ({ gram, cross }: Moments): Missing => {
      const G = matrix(n, n, gram.subarray(group * n * n, (group + 1) * n * n));
      return { G, rest: minus(cross.subarray(group * n * height, (group + 1) * n * height), product(G, before)) };
    };
    const missing: Parts<Missing> = moments.held
      ? { seen: missingIn(moments.seen), held: missingIn(moments.held), all: missingIn(moments.all) }
      : { seen: missingIn(moments.seen) };
    const step = stepOf(missing, lambda, c ? 1 : 0);
    if (!step) continue;
    for (let o = 0; o < height; o++) {
      for (let i = 0; i < width; i++) W[at(group, o, i)]! += step.data[i * height + o]!;
      if (c) c[group * height + o]! += constant!.sign * step.data[width * height + o]!;
    }
  }
  const next = new Map(initializers);
  next.set(weight, tensorLike(initializers.get(weight)!, W));
  if (constant) next.set(constant.name, tensorLike(initializers.get(constant.name)!, c!));
  return { ...model, graph: { ...model.graph, initializers: next } };
}

/** G, and what is still missing of the answers: B − G W₀. */
interface Missing {
  readonly G: Matrix;
  readonly rest: Matrix;
}

const minus = (a: Float64Array, { rows, columns, data }: Matrix): Matrix =>
  matrix(
    rows,
    columns,
    data.map((value, i) => a[i]! - value),
  );

/** What is added to W₀: by this λ, or by the one that errs least on what was kept apart; undefined where W₀ is best. */
function stepOf(missing: Parts<Missing>, lambda: number | undefined, free: number): Matrix | undefined {
  const { seen } = missing;
  if (!seen.G.data.some((value) => value !== 0)) return undefined;
  if (!missing.held) return ridge(seen.G, seen.rest, lambda ?? FALLBACK, free);
  const errors = LAMBDAS.map((share) => growth(ridge(seen.G, seen.rest, share, free), missing.held));
  const least = Math.min(...errors);
  if (!(least < 0)) return undefined;
  const { G, rest } = missing.all;
  return ridge(G, rest, LAMBDAS[errors.indexOf(least)]!, free);
}

/** By how much the squared error grows with a step S: tr(Sᵀ G S) − 2 tr(Sᵀ R). */
function growth(step: Matrix, { G, rest }: Missing): number {
  const moved = product(G, step);
  let sum = 0;
  for (let i = 0; i < step.data.length; i++) sum += step.data[i]! * (moved.data[i]! - 2 * rest.data[i]!);
  return sum;
}
