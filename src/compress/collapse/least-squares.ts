/**
 * The single layer nearest to a run on samples, in closed form.
 *
 *   minimise  Σ ‖y − Wᵀx − b‖² + λ d ‖W‖²        x: a patch of the run's input, y: the run's output at that place
 *   W = (G + λ d)⁻¹ B,  b = ȳ − Wᵀx̄             G, B: covariances of x with x and with y; d: mean of G's diagonal
 *
 * λ is the one of a few that errs least on samples kept apart; the layer is then fitted to all of them.
 * The engine computes the sums, in float64.
 */

import type { Dataset } from '../../data/index.ts';
import type { Model } from '../../graph/model.ts';
import { int64, sizeOf } from '../../graph/tensor.ts';
import { ridge, TOLD_BY_FLOAT32 } from '../../linear/cholesky.ts';
import { type Matrix, matrix, product } from '../../linear/matrix.ts';
import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import type { Lab } from '../../runtime/index.ts';
import { asRows, DOUBLE, observe, type Sums } from '../observe.ts';
import type { Fit } from './geometry.ts';
import { separate } from './separate.ts';
import type { Single } from './shape.ts';

export interface Fitted {
  readonly single: Single;
  /** [width, channels out]; patch elements in the order [kernel row, kernel column, channel]. */
  readonly W: Matrix;
  readonly b: Float64Array;
  /** √(Σ difference² / Σ (y − ȳ)²) on samples kept apart. */
  readonly error: number;
  readonly lambda: number;
  /** Depthwise filters [channels, kernel²] and mixing matrix [channels, out], where the layer is separable. */
  readonly parts?: { readonly deep: Matrix; readonly point: Matrix };
}

export interface LeastSquaresOptions {
  readonly samples?: number | undefined;
  /** Shares of the mean diagonal to try. Default 1e-8, 1e-6, 1e-4, 1e-2. */
  readonly lambdas?: readonly number[] | undefined;
  /** Rather quick than exact: fewer places, sums in float32 within a run, one λ. For choosing, not for use. Default false. */
  readonly rough?: boolean | undefined;
  /** Prefix of the values that the layers should give, where they are another graph's. Default ''. */
  readonly teacher?: string | undefined;
}

const LAMBDAS = [1e-8, 1e-6, 1e-4, 1e-2];
/** Share of the samples that judge. */
const HELD = 0.25;
/** Rows of the regression that are enough, per column and at least. */
const ROWS_PER_COLUMN = { fine: 8, rough: 3 };
const ROWS = { fine: 8192, rough: 2048 };
const ROUGH_LAMBDAS = [1e-4];

/** Fits every single layer on the same samples, in one pass. */
export async function leastSquares(
  model: Model,
  singles: readonly Single[],
  data: Dataset,
  options: LeastSquaresOptions,
  lab: Lab,
): Promise<Fitted[]> {
  const { samples = 512, rough = false, lambdas = rough ? ROUGH_LAMBDAS : LAMBDAS, teacher = '' } = options;
  const seen = Math.min(samples, data.size);
  const rows: number[] = [];
  const exact = (g: Builder, x: StaticValue): StaticValue => (rough ? x : g.Cast(x, { to: DOUBLE }));
  const sums = await observe(
    model,
    data,
    (g, of) => {
      const patches = new Map<string, StaticValue>();
      const made: Record<string, StaticValue> = {};
      singles.forEach((single, i) => {
        const thin = thinning(single, seen, rough ? 'rough' : 'fine');
        const key = [single.run.from, thin, ...single.windows.map((fit) => Object.values(fit).join())].join(' ');
        const x = patches.get(key) ?? exact(g, patchesOf(g, of(single.run.from), single, thin));
        patches.set(key, x);
        const y = exact(g, targetRows(g, of, single, thin, teacher));
        rows[i] = x.dims[0]!;
        const turned = g.Transpose(x, { perm: [1, 0] });
        made[`${i}G`] = g.MatMul(turned, x);
        made[`${i}B`] = g.MatMul(turned, y);
        made[`${i}x`] = g.ReduceSum(x, [0], { keepdims: 0 });
        made[`${i}y`] = g.ReduceSum(y, [0], { keepdims: 0 });
        made[`${i}yy`] = g.ReduceSum(g.Mul(y, y), [0], { keepdims: 0 });
      });
      return made;
    },
    { samples, held: HELD, task: 'observe runs' },
    lab,
  );
  return singles.map((single, i) => solve(single, sums, i, rows[i]!, lambdas, rough));
}

/** Places of each spatial axis of the output are taken this far apart: rows enough, and not many more. */
function thinning({ output, width, windows }: Single, samples: number, care: 'fine' | 'rough'): number {
  if (windows.length < 2) return 1;
  const places = output[1]! * output[2]!;
  const wanted = Math.max(ROWS[care], ROWS_PER_COLUMN[care] * width) / samples;
  return Math.max(1, Math.floor(Math.sqrt(places / wanted)));
}

/** Every n-th place of a feature map. */
function everyNth(g: Builder, x: StaticValue, step: number): StaticValue {
  return step === 1 ? x : g.Slice(x, [0, 0], [x.dims[2]!, x.dims[3]!], [2, 3], [step, step]);
}

/** The run's input as rows of a regression [samples · places, width]. */
function patchesOf(g: Builder, x: StaticValue, { windows, input }: Single, thin: number): StaticValue {
  if (windows.length === 0) {
    if (input.length === 2 && x.dims.length === 3) return asRows(g, x, true);
    return g.reshape(x, [x.dims[0]!, sizeOf(x.dims.slice(1))]);
  }
  const [v, h] = windows as readonly [Fit, Fit?];
  if (!h) return tokenPatches(g, x, v);
  const isPadded = v.begin + v.end + h.begin + h.end > 0;
  const padded = isPadded ? g.Pad(x, g.constant(int64([8], [0, 0, v.begin, h.begin, 0, 0, v.end, h.end]), 'pads')) : x;
  const places = [v, h].map((fit, axis) => {
    const size = padded.dims[axis + 2]!;
    return Math.floor((size - fit.kernel) / fit.stride) + 1;
  });
  const slices: StaticValue[] = [];
  for (let a = 0; a < v.kernel; a++)
    for (let c = 0; c < h.kernel; c++) {
      const ends = [a + (places[0]! - 1) * v.stride + 1, c + (places[1]! - 1) * h.stride + 1];
      slices.push(g.Slice(padded, [a, c], ends, [2, 3], [v.stride * thin, h.stride * thin]));
    }
  return asRows(g, slices.length === 1 ? slices[0]! : g.emit('Concat', slices, { axis: 1 })[0]!, false);
}

/** Each token [N, T, D] with those around it, zeros beyond the ends: [N · T, kernel · D]. */
function tokenPatches(g: Builder, x: StaticValue, { kernel, begin, end }: Fit): StaticValue {
  const padded = g.Pad(x, g.constant(int64([6], [0, begin, 0, 0, end, 0]), 'pads'));
  const around = Array.from({ length: kernel }, (_, k) => g.Slice(padded, [k], [k + x.dims[1]!], [1], [1]));
  return asRows(g, g.emit('Concat', around, { axis: 2 })[0]!, true);
}

/** What the layer should give, as rows [samples · places, channels out]. */
function targetRows(
  g: Builder,
  of: (name: string) => StaticValue,
  { tail: { target, pool }, output }: Single,
  thin: number,
  teacher: string,
): StaticValue {
  const value = of(`${teacher}${target}`);
  const pooled = pool
    ? g.emit(
        'MaxPool',
        [value],
        Object.fromEntries(Object.entries(pool.attrs).map(([key, { value: v }]) => [key, v as number])),
      )[0]!
    : value;
  return asRows(g, pooled.dims.length === 4 ? everyNth(g, pooled, thin) : pooled, output.length === 2);
}

interface Moments {
  readonly n: number;
  readonly G: Matrix;
  readonly B: Matrix;
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly yy: number;
}

function solve(
  single: Single,
  { fit, held, runs }: Sums,
  i: number,
  rows: number,
  lambdas: readonly number[],
  rough: boolean,
): Fitted {
  const read = (from: ReadonlyMap<string, Float64Array>, count: number): Moments => {
    const y = from.get(`${i}y`)!;
    return {
      n: rows * count,
      G: matrix(single.width, single.width, from.get(`${i}G`)!),
      B: matrix(single.width, y.length, from.get(`${i}B`)!),
      x: from.get(`${i}x`)!,
      y,
      yy: from.get(`${i}yy`)!.reduce((sum, value) => sum + value, 0),
    };
  };
  const seen = read(fit, runs[0]);
  const judge = runs[1] > 0 ? read(held, runs[1]) : seen;
  const whole = runs[1] > 0 ? together(seen, judge) : seen;
  const layerOf = (moments: Moments, lambda: number) => {
    const W = ridge(...centred(moments), lambda);
    const parts = single.kind === 'depthwise-separable' ? separate(W, single, centred(moments), lambda) : undefined;
    const flat = parts ? parts.whole : W;
    return { W: flat, b: biasOf(flat, moments), ...(parts && { parts: { deep: parts.deep, point: parts.point } }) };
  };
  let best = { lambda: lambdas[lambdas.length - 1]!, error: Number.POSITIVE_INFINITY };
  let layer: ReturnType<typeof layerOf> | undefined;
  for (const lambda of lambdas) {
    try {
      const tried = layerOf(seen, lambda);
      const error = errorOf(tried.W, tried.b, judge);
      if (error < best.error) [best, layer] = [{ lambda, error }, tried];
    } catch {
      // Too small a ridge for what the samples tell: a larger one comes next.
    }
  }
  return { single, ...(rough && layer ? layer : layerOf(whole, best.lambda)), ...best };
}

const added = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, k) => value + b[k]!);

const together = (a: Moments, b: Moments): Moments => ({
  n: a.n + b.n,
  G: matrix(a.G.rows, a.G.columns, added(a.G.data, b.G.data)),
  B: matrix(a.B.rows, a.B.columns, added(a.B.data, b.B.data)),
  x: added(a.x, b.x),
  y: added(a.y, b.y),
  yy: a.yy + b.yy,
});

/** Covariances, times n: of x with x, and of x with y. What may be left of rounding alone, where means hide the spread, is added. */
function centred({ n, G, B, x, y }: Moments): [Matrix, Matrix] {
  const [d, m] = [x.length, y.length];
  const [C, D] = [matrix(d, d, G.data.slice()), matrix(d, m, B.data.slice())];
  const least = (TOLD_BY_FLOAT32 * x.reduce((sum, value) => sum + value ** 2, 0)) / n;
  for (let p = 0; p < d; p++) {
    for (let q = 0; q < d; q++) C.data[p * d + q]! -= (x[p]! * x[q]!) / n;
    C.data[p * d + p]! += least;
    for (let q = 0; q < m; q++) D.data[p * m + q]! -= (x[p]! * y[q]!) / n;
  }
  return [C, D];
}

function biasOf(W: Matrix, { n, x, y }: Moments): Float64Array {
  const b = y.map((value) => value / n);
  for (let p = 0; p < x.length; p++)
    for (let q = 0; q < y.length; q++) b[q]! -= (W.data[p * y.length + q]! * x[p]!) / n;
  return b;
}

/** √(Σ ‖y − Wᵀx − b‖² / Σ ‖y − ȳ‖²), from the sums alone. */
export function errorOf(W: Matrix, b: Float64Array, { n, G, B, x, y, yy }: Moments): number {
  const GW = product(G, W);
  const m = y.length;
  let sum = yy;
  let spread = yy;
  for (let k = 0; k < W.data.length; k++) sum += W.data[k]! * (GW.data[k]! - 2 * B.data[k]!);
  for (let q = 0; q < m; q++) {
    sum += n * b[q]! * b[q]! - 2 * b[q]! * y[q]!;
    spread -= (y[q]! * y[q]!) / n;
    for (let p = 0; p < x.length; p++) sum += 2 * b[q]! * W.data[p * m + q]! * x[p]!;
  }
  return Math.sqrt(Math.max(0, sum) / Math.max(spread, Number.MIN_VALUE));
}
