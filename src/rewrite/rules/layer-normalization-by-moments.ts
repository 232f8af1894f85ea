/**
 * LayerNormalization from sums of x and of x², as Flax computes it and an exporter spreads it out, put together again.
 *
 *   m = Σ x / n          v = max(0, Σ x² / n − m²)          y = (x − m) · s / √(v + ε)
 *
 * Over an axis that is not the last one, x is turned first and y turned back.
 */

import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import { alongAxis, rounded } from '../arithmetic.ts';
import { axesInput, positiveAxes, sameDims, uniform } from '../attribute.ts';
import type { Net } from '../net.ts';
import { any, constant, type Match, node, oneOf, type Pattern } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';

const swap = { commutes: true };
/** The sum over an axis times 1/n, or the mean, named so that its axis can be asked for. */
const meanOf = (of: Pattern, as: string): Pattern =>
  oneOf(
    node('Mul', [node('ReduceSum', [of], { as: `${as}_sum` }), constant(`${as}_factor`)], swap),
    node('Div', [node('ReduceSum', [of], { as: `${as}_sum` }), constant(`${as}_divisor`)]),
    node('ReduceMean', [of], { as: `${as}_mean` }),
  );
/** The value, or the same with the axis put back. */
const kept = (inner: Pattern, as: string): Pattern =>
  oneOf(node(['Reshape', 'Unsqueeze'], [inner], { as: `${as}_kept` }), inner);

const x = any('x');
const mean = meanOf(x, 'first');
const square = oneOf(node('Mul', [x, x]), node('Pow', [x, constant('two')]));
const spread = node('Sub', [meanOf(square, 'second'), node('Mul', [mean, mean])]);
const variance = oneOf(node('Max', [spread, constant('zero')], swap), node('Relu', [spread]), spread);
const root = node('Sqrt', [node('Add', [kept(variance, 'variance'), constant('epsilon')], swap)]);
const inverse = node('Reciprocal', [root]);
const centred = node('Sub', [x, kept(mean, 'mean')], { as: 'centred' });

/** The axis, counted from the front, or the reason against. */
function axisOf({ nodes, values }: Match, net: Net): number | string {
  const dims = net.dims(values.x!);
  if (!dims) return `the rank of "${values.x}" is not known`;
  let axis: number | undefined;
  for (const [name, reduced] of Object.entries(nodes)) {
    if (!/_(sum|mean)$/.test(name)) continue;
    const [first, ...others] = positiveAxes(axesInput(reduced, net) ?? [], dims.length);
    if (first === undefined || others.length > 0) return `"${reduced.name}" is not over one axis that is known`;
    if (axis !== undefined && axis !== first) return 'mean and variance are over different axes';
    axis = first;
  }
  const size = dims[axis!]!;
  if (typeof size !== 'number') return 'the size of its axis is not known';
  const wanted = dims.map((dim, i) => (i === axis ? 1 : dim));
  for (const [name, back] of Object.entries(nodes)) {
    if (name.endsWith('_kept') && !sameDims(net.dims(back.outputs[0]!), wanted)) return `"${back.name}" moves elements`;
  }
  for (const [name, value] of Object.entries(values)) {
    const number = /_(factor|divisor)$/.test(name) ? uniform(value, net) : undefined;
    const expected = name.endsWith('_factor') ? 1 / size : size;
    if (number !== undefined && Math.abs(number - expected) > 1e-6 * expected)
      return 'its factor is not that of a mean';
    if (/_(factor|divisor)$/.test(name) && number === undefined) return 'a factor is not one number';
  }
  return axis!;
}

export const layerNormalizationByMoments = rule({
  name: 'layer-normalization-by-moments',
  about: 'A normalisation from sums of values and of their squares becomes LayerNormalization.',
  pattern: [
    node('Mul', [centred, node('Mul', [inverse, constant('scale')], swap)], swap),
    node('Mul', [centred, inverse], swap),
    node('Div', [centred, root]),
  ],

  where: ({ values: { two, zero } }, net) =>
    (two === undefined || uniform(two, net) === 2) && (zero === undefined || uniform(zero, net) === 0),

  check: (match, net) => {
    const axis = axisOf(match, net);
    if (typeof axis === 'string') return axis;
    const { x, scale, epsilon } = match.values;
    if (uniform(epsilon, net) === undefined) return `"${epsilon}" is not one number`;
    const { dtype, dims } = net.fact(x!)!;
    if (dtype !== 'float32' && dtype !== 'float16') return `its input is ${dtype}`;
    const size = dims[axis] as number;
    if (scale && !alongAxis(net.constant(scale)!, axis, dims.length, size)) return `"${scale}" varies outside the axis`;
    return undefined;
  },

  rewrite: (match, edit) => {
    const { x, scale, epsilon } = match.values;
    const axis = axisOf(match, edit) as number;
    const { dims, dtype } = edit.fact(x!)!;
    const size = dims[axis] as number;
    const scales = scale ? alongAxis(edit.constant(scale)!, axis, dims.length, size)! : new Float64Array(size).fill(1);
    const s = edit.weight(scale ?? `${x}_scale`, rounded(dtype, [size], scales));
    const last = dims.length - 1;
    const perm = dims.map((_, i) => (i === axis ? last : i === last ? axis : i));
    const turn = (name: string): string => (axis === last ? name : edit.emit('Transpose', [name], { perm }));
    const attrs = { axis: -1, epsilon: { kind: 'float', value: uniform(epsilon, edit)! } } as const;
    return {
      outputs: [turn(edit.emit('LayerNormalization', [turn(x!), s], attrs))],
      why: `of "${x}" over axis ${axis}`,
    };
  },

  samples: [
    {
      about: 'over the last axis, with a scale',
      leaves: 'LayerNormalization',
      build: (g) => byMoments(g, g.input('x', 'float32', [2, 3, 8]), 2, values(g, [8])),
    },
    {
      about: 'over an axis in the middle',
      leaves: 'Transpose LayerNormalization Transpose',
      build: (g) => byMoments(g, g.input('x', 'float32', [2, 6, 4]), 1, values(g, [1, 6, 1])),
    },
    {
      about: 'with a scale that varies along another axis',
      build: (g) => byMoments(g, g.input('x', 'float32', [2, 6, 4]), 1, values(g, [4])),
      fires: false,
    },
  ],
});

function byMoments(g: Builder, x: StaticValue, axis: number, scale: StaticValue): StaticValue {
  const n = x.dims[axis]!;
  const mean = (v: StaticValue) => g.Mul(g.ReduceSum(v, [axis], { keepdims: 0 }), 1 / n);
  const back = (v: StaticValue) => g.Unsqueeze(v, [axis]);
  const m = mean(x);
  const v = g.Max(0, g.Sub(mean(g.Mul(x, x)), g.Mul(m, m)));
  const inverse = g.Reciprocal(g.Sqrt(g.Add(back(v), 1e-6)));
  return g.Mul(g.Sub(x, back(m)), g.Mul(inverse, scale));
}
