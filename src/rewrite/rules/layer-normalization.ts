/**
 * LayerNormalization that an exporter spread out, put together again.
 *
 *   d = x − mean(x)          y = d / √(mean(d²) + ε)          over the last axes
 *
 * The scale and bias that follow are taken in by scale-into-layer-normalization.
 */

import { isStatic } from '../../graph/dim.ts';
import { sizeOf } from '../../graph/tensor.ts';
import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import { rounded } from '../arithmetic.ts';
import { axesInput, numberAttr, positiveAxes, uniform } from '../attribute.ts';
import type { Net } from '../net.ts';
import { any, constant, type Match, node, oneOf } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';

// An exporter may compute x − mean(x) twice, once for the square.
const centred = (as: string) => node('Sub', [any('x'), node('ReduceMean', [any('x')], { as: `${as}_mean` })], { as });
const squared = oneOf(
  node('Pow', [centred('d'), constant('two')]),
  node('Mul', [centred('d'), any('d')]),
  node('Pow', [centred('e'), constant('two')]),
  node('Mul', [centred('e'), any('e')]),
);
const variance = node('ReduceMean', [squared], { as: 'variance' });
const deviation = node('Sqrt', [node('Add', [variance, constant('epsilon')], { commutes: true })]);

/** The first of the axes, which must be the last ones of x, or the reason against. */
function firstAxis({ nodes, values }: Match, net: Net): number | string {
  const rank = net.dims(values.x!)?.length;
  if (rank === undefined) return `the rank of "${values.x}" is not known`;
  const means = Object.entries(nodes).flatMap(([name, mean]) =>
    name.endsWith('mean') || name === 'variance' ? [mean] : [],
  );
  let first: number | undefined;
  for (const mean of means) {
    const axes = axesInput(mean, net);
    if (!axes || axes.length === 0) return `the axes of "${mean.name}" are not known`;
    if (numberAttr(mean, 'keepdims', 1) !== 1) return `"${mean.name}" drops its axes`;
    const found = positiveAxes(axes, rank).sort((a, b) => a - b);
    if (found.some((axis, i) => axis !== rank - found.length + i))
      return `"${mean.name}" averages axes ${axes.join(', ')}`;
    if (first !== undefined && first !== found[0]) return 'mean and variance are over different axes';
    first = found[0];
  }
  return first!;
}

export const layerNormalization = rule({
  name: 'layer-normalization',
  about: 'ReduceMean, Sub, Pow, ReduceMean, Add, Sqrt and Div become LayerNormalization.',
  pattern: node(['Div', 'Mul'], [centred('d'), oneOf(deviation, node('Reciprocal', [deviation], { as: 'inverse' }))], {
    as: 'y',
    commutes: true,
  }),

  where: ({ nodes: { y, inverse, d }, values: { two } }, net) =>
    (y!.op === 'Mul') === (inverse !== undefined) &&
    (y!.op === 'Mul' || y!.inputs[0] === d!.outputs[0]) &&
    (two === undefined || uniform(two, net) === 2),

  check: (match, net) => {
    const axis = firstAxis(match, net);
    if (typeof axis === 'string') return axis;
    if (uniform(match.values.epsilon, net) === undefined) return `"${match.values.epsilon}" is not one number`;
    const fact = net.fact(match.values.x!);
    if (!fact || !isStatic(fact.dims.slice(axis))) return 'the size of its axes is not known';
    return fact.dtype === 'float32' || fact.dtype === 'float16' ? undefined : `its input is ${fact.dtype}`;
  },

  rewrite: (match, edit) => {
    const { x, epsilon } = match.values;
    const axis = firstAxis(match, edit) as number;
    const { dims, dtype } = edit.fact(x!)!;
    const sizes = dims.slice(axis) as readonly number[];
    const ones = edit.weight(`${x}_scale`, rounded(dtype, sizes, new Float64Array(sizeOf(sizes)).fill(1)));
    const attrs = { axis: axis - dims.length, epsilon: { kind: 'float', value: uniform(epsilon, edit)! } } as const;
    return {
      outputs: [edit.emit('LayerNormalization', [x!, ones], attrs)],
      why: `of "${x}" over [${sizes.join(', ')}]`,
    };
  },

  samples: [
    {
      about: 'as PyTorch spreads it out',
      leaves: 'LayerNormalization',
      build: (g) => spread(g, g.input('x', 'float32', [2, 3, 8])),
    },
    {
      about: 'with a scale and a bias behind',
      leaves: 'LayerNormalization Mul Add',
      build: (g) => g.Add(g.Mul(spread(g, g.input('x', 'float32', [2, 3, 8])), values(g, [8])), values(g, [8], 2)),
    },
    {
      about: 'with a product for the square and a reciprocal for the root',
      leaves: 'LayerNormalization',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 3, 8]);
        const d = g.Sub(x, g.ReduceMean(x, [1, 2]));
        return g.Mul(g.Reciprocal(g.Sqrt(g.Add(1e-3, g.ReduceMean(g.Mul(d, d), [-1, -2])))), d);
      },
    },
    {
      about: 'over an axis in the middle',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 3, 8]);
        const d = g.Sub(x, g.ReduceMean(x, [1]));
        return g.Div(d, g.Sqrt(g.Add(g.ReduceMean(g.Pow(d, 2), [1]), 1e-5)));
      },
      fires: false,
    },
  ],
});

function spread(g: Builder, x: StaticValue): StaticValue {
  const d = g.Sub(x, g.ReduceMean(x, [-1]));
  return g.Div(d, g.Sqrt(g.Add(g.ReduceMean(g.Pow(d, 2), [-1]), 1e-5)));
}
