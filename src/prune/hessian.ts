/**
 * What a layer's error costs, to second order: moments of what it reads, and how much the answers mind what it makes.
 *
 *   cost of W + Δ ≈ Σ_o c_o · Δ_o G Δ_oᵀ        G = E[x xᵀ] over places, c_o: curvature along output o
 *
 * G is centred where the layer has a constant term, or a normalisation behind it, which then takes up the mean.
 */

import { PareError } from '../base/error.ts';
import type { Dataset } from '../data/index.ts';
import type { Graph, Model } from '../graph/model.ts';
import { TOLD_BY_FLOAT32 } from '../linear/cholesky.ts';
import { infer } from '../ops/infer.ts';
import type { StaticValue } from '../ops/op.ts';
import type { Lab } from '../runtime/index.ts';
import { curvatures } from './curvature.ts';
import { constantOf, type LinearLayer, linearLayer, MOST_COLUMNS, readersOf, someRows } from './layer.ts';
import { meansOf } from './means.ts';

export interface LayerHessian extends Pick<LinearLayer, 'groups' | 'width' | 'height' | 'at'> {
  /** [groups, width, width]; where that is too wide, only its diagonal is filled: [groups, width]. */
  readonly gram: Float64Array;
  readonly isDiagonal: boolean;
  /** Per output: what a mean squared error of 1 adds to the divergence of the answers. */
  readonly curvature: Float64Array;
  /** Per output: E[y²]. */
  readonly power: Float64Array;
  /** [groups, width]: E[x]. */
  readonly mean: Float64Array;
  /** What takes up a constant: a bias that is added, or the mean that a normalisation behind the layer takes away. */
  readonly constant: { readonly name: string; readonly sign: 1 | -1 } | undefined;
}

/** Samples in a run. */
const BATCH = 16;

/**
 * By weight, for every linear layer that has one of these weights to itself.
 *
 * Where an op has no gradient, an error counts by its share of what the layer makes.
 * Throws   what reading the data and running the model throw.
 */
export async function hessians(
  model: Model,
  weights: ReadonlySet<string>,
  data: Dataset,
  samples: number | undefined,
  lab: Lab,
): Promise<Map<string, LayerHessian>> {
  const layers = new Map<string, LinearLayer>();
  let ready: Graph = model.graph;
  const moments = await meansOf(
    model,
    data,
    (g, of) => {
      const facts = infer(ready);
      const readers = readersOf(ready);
      const wanted: Record<string, StaticValue> = {};
      for (const node of ready.nodes) {
        const layer = linearLayer(node, ready, facts);
        if (!layer || !weights.has(layer.weight) || readers.get(layer.weight) !== 1) continue;
        layers.set(layer.weight, layer);
        const x = someRows(g, layer.rows(g, of(layer.x)), lab.seed ?? 0);
        const rows = x.dims[1] as number;
        const isWide = layer.width > MOST_COLUMNS;
        const average = (v: StaticValue): StaticValue => g.ReduceMean(v, [1], { keepdims: 0 });
        wanted[`${layer.weight} mean`] = average(x);
        wanted[`${layer.weight} gram`] = isWide
          ? average(g.Mul(x, x))
          : g.Mul(g.MatMul(g.Transpose(x, { perm: [0, 2, 1] }), x), 1 / rows);
        const y = of(layer.y);
        const others = y.dims.flatMap((_, axis) => (axis === layer.axis ? [] : [axis]));
        wanted[`${layer.weight} power`] = g.ReduceMean(g.Mul(y, y), others, { keepdims: 0 });
      }
      return wanted;
    },
    { task: 'moments', samples, batch: BATCH, prepare: (graph) => (ready = graph) },
    lab,
  );
  const axes = new Map([...layers.values()].map(({ y, axis }) => [y, axis]));
  const minded = await curvatures(model, axes, data, samples, lab).catch((thrown: unknown) => {
    if (!(thrown instanceof PareError && thrown.code.startsWith('grad/'))) throw thrown;
    lab.onNote?.(`All layers count alike: ${thrown.message}`);
  });
  return new Map(
    [...layers].map(([weight, { groups, width, height, at, y, bias }]) => {
      const isDiagonal = width > MOST_COLUMNS;
      const [gram, mean, power] = ['gram', 'mean', 'power'].map((what) => moments.get(`${weight} ${what}`)!) as [
        Float64Array,
        Float64Array,
        Float64Array,
      ];
      const constant = constantOf(model.graph, y, bias);
      if (constant) centre(gram, mean, width, isDiagonal);
      const alike = 1 / (power.reduce((sum, value) => sum + value, 0) + Number.MIN_VALUE);
      const curvature = minded ? (minded.get(y) ?? new Float64Array(power.length)) : power.map(() => alike);
      return [weight, { groups, width, height, at, gram, isDiagonal, curvature, power, mean, constant }];
    }),
  );
}

/** G − m mᵀ, in place, and on the diagonal what may be left of rounding alone: a mean far above the spread hides it. */
function centre(gram: Float64Array, mean: Float64Array, width: number, isDiagonal: boolean): void {
  for (let g = 0; g < mean.length / width; g++) {
    const m = mean.subarray(g * width, (g + 1) * width);
    const least = TOLD_BY_FLOAT32 * m.reduce((sum, value) => sum + value ** 2, 0);
    for (let i = 0; i < width; i++) {
      if (isDiagonal) gram[g * width + i]! -= m[i]! ** 2;
      else {
        for (let j = 0; j < width; j++) gram[(g * width + i) * width + j]! -= m[i]! * m[j]!;
        gram[(g * width + i) * width + i]! += least;
      }
    }
  }
}
