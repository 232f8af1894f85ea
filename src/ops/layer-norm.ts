/** Normalisation of each sample over its last axes. */

import { dtypeOf } from '../graph/dtype.ts';
import { fromFront, noMacs } from './answer.ts';
import { type Axis, type Link, mixes, tie, tieBroadcast } from './link.ts';
import { meanOver, statistics } from './moments.ts';
import { float, int, op, type StaticValue } from './op.ts';

const lastLinks = (
  type: string,
  X: readonly Axis[],
  Y: readonly Axis[],
  axis: number,
  ...weights: readonly (readonly Axis[] | undefined)[]
): Link[] => [
  ...X.flatMap((a, i) => [
    tie(Y[i]!, a),
    ...(i < fromFront(axis, X.length) ? [] : [mixes(a, `${type} normalises over it`)]),
  ]),
  ...weights.flatMap((weight) => tieBroadcast(Y, weight)),
];

/** Axes from `axis` on. */
const lastAxes = (dims: readonly unknown[], axis: number): number[] =>
  dims.flatMap((_, i) => (i < fromFront(axis, dims.length) ? [] : [i]));

/** Its slope is that of standardised values: r · (s − mean s − n · mean(s · n)), with s the slope of n = (x − μ) · r. */
export const LayerNormalization = op({
  type: 'LayerNormalization',
  inputs: ['X', 'Scale', 'B?'],
  outputs: ['Y', 'Mean?', 'InvStdDev?'],
  attrs: { axis: int(-1), epsilon: float(1e-5), stash_type: int(1) },
  // Standardised over the axes from `axis` on, then scaled and shifted.
  shape: ({ X }, { axis, stash_type }) => {
    const gone = lastAxes(X.dims, axis);
    const kept = { dims: X.dims.map((dim, i) => (gone.includes(i) ? 1 : dim)), dtype: dtypeOf(stash_type) ?? X.dtype };
    return [{ dims: X.dims, dtype: X.dtype }, kept, kept];
  },
  // While learning it also gives the statistics that its slope needs.
  decompose: ({ X, Scale, B }, { axis, epsilon }, g) =>
    g.emit('LayerNormalization', [X, Scale, B], { axis, epsilon }, { outputs: 3 }),
  grad: ({ X, Scale, B, Mean, InvStdDev, dY }, { axis, epsilon }, g) => {
    const axes = lastAxes(X.dims, axis);
    const known = Mean && InvStdDev;
    const { centred, variance } = known ? { centred: g.Sub(X, Mean), variance: undefined } : statistics(X, axes, g);
    const r = variance ? g.Div(1, g.Sqrt(g.Add(variance, epsilon))) : InvStdDev!;
    const standard = g.Mul(centred, r);
    const scaled = g.Mul(dY, Scale);
    const mean = (x: StaticValue): StaticValue => meanOver(x, axes, g);
    return {
      X: g.Mul(g.Sub(g.Sub(scaled, mean(scaled)), g.Mul(standard, mean(g.Mul(scaled, standard)))), r),
      Scale: g.sumTo(g.Mul(dY, standard), Scale.dims),
      B: B && g.sumTo(dY, B.dims),
    };
  },
  couple: ({ X, Scale, B, Y }, { axis }) => lastLinks('LayerNormalization', X, Y, axis, Scale, B),
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [2, 3, 4], Scale: [4], B: [4] },
    { X: [2, 3, 4], Scale: [3, 4], attrs: { axis: 1 } },
  ],
});

// Y = X · r · Scale,  r = 1 / √(mean(X²) + ε);  dX = r · (s − n · mean(s · n)),  s = dY · Scale, n = X · r
export const RMSNormalization = op({
  type: 'RMSNormalization',
  since: 23,
  inputs: ['X', 'Scale'],
  attrs: { axis: int(-1), epsilon: float(1e-5), stash_type: int(1) },
  shape: ({ X, Scale }) => ({ dims: X.dims, dtype: Scale.dtype }),
  grad: ({ X, Scale, dY }, { axis, epsilon }, g) => {
    const axes = lastAxes(X.dims, axis);
    const r = g.Div(1, g.Sqrt(g.Add(meanOver(g.Mul(X, X), axes, g), epsilon)));
    const n = g.Mul(X, r);
    const s = g.Mul(dY, Scale);
    return {
      X: g.Mul(r, g.Sub(s, g.Mul(n, meanOver(g.Mul(s, n), axes, g)))),
      Scale: g.sumTo(g.Mul(dY, n), Scale.dims),
    };
  },
  couple: ({ X, Scale, Y }, { axis }) => lastLinks('RMSNormalization', X, Y, axis, Scale),
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [2, 3, 4], Scale: [4] },
    { X: [2, 3, 4], Scale: [3, 4], attrs: { axis: 1, epsilon: 0.1 } },
  ],
});
