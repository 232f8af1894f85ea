/**
 * How much the network's answers mind an error in each layer's output: second moments of slopes.
 *
 *   classes        KL(p ‖ p') ≈ ½ δᵀ (diag p − p pᵀ) δ for a change δ of the logits; ξ with that covariance is
 *                  ξ = √p ⊙ ε − p (√p · ε), ε signs by chance
 *   anything else  ½ · mean (y − y')² over mean y²; ξ = ε / √(n · mean y²)
 *   slope of Σ y · ξ along a layer's output z: g;      E[g gᵀ] is the curvature along z, of which the diagonal is kept
 *
 * Source   Martens 2020, arXiv:1412.1193 (natural gradient and generalised Gauss-Newton).
 */

import { type Random, random } from '../base/random.ts';
import type { Dataset } from '../data/index.ts';
import { differentiate } from '../grad/differentiate.ts';
import { expand, OWN_DOMAIN } from '../grad/expand.ts';
import { isFloat } from '../graph/dtype.ts';
import type { Graph, Model } from '../graph/model.ts';
import { float32, sizeOf } from '../graph/tensor.ts';
import { logitsOf } from '../nn/index.ts';
import { type Builder, draft } from '../ops/builder.ts';
import { infer } from '../ops/infer.ts';
import type { StaticValue } from '../ops/op.ts';
import type { Lab } from '../runtime/index.ts';
import { asClasses } from './loss.ts';
import { meansOf } from './means.ts';

/** Samples in a run. */
const BATCH = 16;

/**
 * By value: for each position along the axis, what a mean squared error of 1 there adds to the divergence of the answers.
 *
 *   ½ · Σ over the other axes of E[g²], per sample
 *
 * Values that the outputs do not depend on are missing.
 * Throws   grad/missing for an op without a gradient; what reading the data and running the model throw.
 */
export async function curvatures(
  model: Model,
  values: ReadonlyMap<string, number>,
  data: Dataset,
  samples: number | undefined,
  lab: Lab,
): Promise<Map<string, Float64Array>> {
  const slopes = new Map<string, string>();
  return await meansOf(
    model,
    data,
    (g, of) =>
      Object.fromEntries(
        [...slopes].map(([value, slope]) => {
          const squares = g.Mul(of(slope), of(slope));
          const axis = values.get(value)!;
          const others = squares.dims.flatMap((_, i) => (i === axis ? [] : [i]));
          const batch = squares.dims[0] as number;
          const sum = others.length === 0 ? squares : g.ReduceSum(squares, others, { keepdims: 0 });
          return [value, g.Mul(sum, 0.5 / (axis === 0 ? 1 : batch))];
        }),
      ),
    {
      task: 'curvature',
      samples,
      batch: BATCH,
      prepare: (graph) => {
        const probed = withProbe(graph, lab.seed ?? 0);
        const { graph: joint, slopes: found } = differentiate(
          probed.graph,
          probed.loss,
          values.keys(),
          infer(probed.graph),
        );
        for (const [value, slope] of found) slopes.set(value, slope);
        return expand(joint, infer(joint), ({ domain }) => domain === OWN_DOMAIN);
      },
    },
    lab,
  );
}

/** The graph with Σ y · ξ over all its outputs. */
function withProbe(graph: Graph, seed: number): { graph: Graph; loss: string } {
  const building = draft(graph, infer(graph));
  const { g } = building;
  const terms = graph.outputs.flatMap(({ name }, i) => {
    const y = g.of(logitsOf(graph, name));
    if (!isFloat(y.dtype)) return [];
    const classes = graph.outputs.length === 1 ? asClasses(y, g) : undefined;
    const z = classes ?? y;
    const drawn = signs(z, random(seed, `prune/curvature/${i}`), g);
    const direction = classes ? ofClasses(classes, drawn, g) : ofNumbers(y, drawn, g);
    return [total(g.Mul(z, g.emit('Detach', [direction])[0]!), g)];
  });
  const loss = terms.reduce((a, b) => g.Add(a, b));
  return { graph: building.finish(), loss: loss.name };
}

/** Signs by chance, others for every sample: they hang on late digits of what the network answers. */
function signs(z: StaticValue, source: Random, g: Builder): StaticValue {
  const phases = Float32Array.from({ length: sizeOf(z.dims) }, () => 2 * Math.PI * source.uniform());
  return g.Sign(g.Sin(g.Add(g.Mul(z, 1e3), g.constant(float32(z.dims, phases), 'phase'))));
}

function ofClasses(logits: StaticValue, drawn: StaticValue, g: Builder): StaticValue {
  const p = g.Softmax(logits, { axis: 1 });
  const spread = g.Mul(g.Sqrt(p), drawn);
  return g.Sub(spread, g.Mul(p, g.ReduceSum(spread, [1], { keepdims: 1 })));
}

function ofNumbers(y: StaticValue, drawn: StaticValue, g: Builder): StaticValue {
  const each = sizeOf(y.dims) / y.dims[0]!;
  const power = g.Mul(total(g.Mul(y, y), g), 1 / sizeOf(y.dims));
  return g.Div(drawn, g.Sqrt(g.Add(g.Mul(power, each), 1e-12)));
}

const total = (v: StaticValue, g: Builder): StaticValue =>
  g.ReduceSum(g.reshape(v, [sizeOf(v.dims)]), [0], { keepdims: 0 });
