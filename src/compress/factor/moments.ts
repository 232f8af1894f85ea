/** What layers give on samples: mean and covariance of their output channels, summed by the engine. */

import type { Dataset } from '../../data/index.ts';
import type { Model } from '../../graph/model.ts';
import { sizeOf } from '../../graph/tensor.ts';
import { matrix } from '../../linear/matrix.ts';
import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import type { Lab } from '../../runtime/index.ts';
import { asRows, DOUBLE, observe } from '../observe.ts';
import type { Layer } from './layer.ts';
import type { Moments } from './scheme.ts';

/** Places per spatial axis that are looked at: neighbours say much the same. */
const PLACES = 24;

/** Mean and covariance of each layer's output channels, by the name of the layer's output. */
export async function momentsOf(
  model: Model,
  layers: readonly Layer[],
  data: Dataset,
  samples: number | undefined,
  lab: Lab,
): Promise<Map<string, Moments>> {
  const rows = new Map<string, number>();
  const { fit, runs } = await observe(
    model,
    data,
    (g, of) =>
      Object.fromEntries(
        layers.flatMap(({ node, kind }) => {
          const name = node.outputs[0]!;
          const y = asRows(g, kind === 'conv' ? thinned(g, of(name)) : of(name), kind === 'dense');
          const exact = g.Cast(y, { to: DOUBLE });
          rows.set(name, sizeOf(y.dims) / sizeOf(y.dims.slice(1)));
          return [
            [`square:${name}`, g.MatMul(g.Transpose(exact, { perm: [1, 0] }), exact)],
            [`sum:${name}`, g.ReduceSum(exact, [0], { keepdims: 0 })],
          ];
        }),
      ),
    { samples, task: 'observe layers' },
    lab,
  );
  return new Map(
    layers.map(({ node, out }) => {
      const name = node.outputs[0]!;
      const count = rows.get(name)! * runs[0];
      const mean = fit.get(`sum:${name}`)!.map((x) => x / count);
      const covariance = fit
        .get(`square:${name}`)!
        .map((x, i) => x / count - mean[Math.floor(i / out)]! * mean[i % out]!);
      return [name, { covariance: matrix(out, out, covariance), mean }];
    }),
  );
}

/** Every n-th place of each spatial axis, so that no more than PLACES are left. */
export function thinned(g: Builder, x: StaticValue, places = PLACES): StaticValue {
  const axes = x.dims.map((_, i) => i).slice(2);
  const steps = axes.map((axis) => Math.ceil(x.dims[axis]! / places));
  if (steps.every((step) => step === 1)) return x;
  const begin = steps.map((step, i) => Math.floor(((x.dims[axes[i]!]! - 1) % step) / 2));
  return g.Slice(
    x,
    begin,
    axes.map((axis) => x.dims[axis]!),
    axes,
    steps,
  );
}
