/**
 * RMSNormalization that an exporter spread out, put together again.
 *
 *   y = x / √(mean(x²) + ε) · scale          over the last axis
 */

import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import { axesInput, numberAttr, positiveAxes, uniform } from '../attribute.ts';
import { any, constant, node, oneOf } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';

const swap = { commutes: true };
const squared = oneOf(node('Pow', [any('x'), constant('two')]), node('Mul', [any('x'), any('x')]));
const mean = node('ReduceMean', [squared], { as: 'mean' });
const root = node('Sqrt', [node('Add', [mean, constant('epsilon')], swap)]);
const inverse = oneOf(node('Reciprocal', [root]), node('Div', [constant('one'), root]));
const normal = oneOf(node('Mul', [any('x'), inverse], swap), node('Div', [any('x'), root]));

export const rmsNormalization = rule({
  name: 'rms-normalization',
  about: 'Pow, ReduceMean, Add, Sqrt, Reciprocal and Mul with a scale become RMSNormalization.',
  pattern: node('Mul', [normal, constant('scale')], swap),

  where: ({ values: { two, one } }, net) =>
    (two === undefined || uniform(two, net) === 2) && (one === undefined || uniform(one, net) === 1),

  check: ({ nodes, values: { x, epsilon, scale } }, net) => {
    if (net.opset < 23) return `RMSNormalization came with opset 23, the model has ${net.opset}`;
    const dims = net.dims(x!);
    const axes = axesInput(nodes.mean!, net);
    if (!dims || !axes) return `the axes of "${nodes.mean!.name}" are not known`;
    const isLast = axes.length === 1 && positiveAxes(axes, dims.length)[0] === dims.length - 1;
    if (!isLast || numberAttr(nodes.mean!, 'keepdims', 1) !== 1) return 'it does not normalise the last axis';
    if (uniform(epsilon, net) === undefined) return `"${epsilon}" is not one number`;
    const { dims: sizes, dtype } = net.constant(scale!)!;
    if (sizes.length !== 1 || sizes[0] !== dims.at(-1)) return `"${scale}" is no scale of the last axis`;
    return dtype === net.fact(x!)?.dtype ? undefined : `"${scale}" is ${dtype}`;
  },

  rewrite: ({ values: { x, epsilon, scale } }, edit) => {
    const attrs = { axis: -1, epsilon: { kind: 'float', value: uniform(epsilon, edit)! } } as const;
    return { outputs: [edit.emit('RMSNormalization', [x!, scale!], attrs)], why: `of "${x}"` };
  },

  samples: [
    { about: 'as PyTorch spreads it out', opset: 23, leaves: 'RMSNormalization', build: (g) => spread(g, -1) },
    {
      about: 'with a quotient for the root',
      opset: 23,
      leaves: 'RMSNormalization',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 3, 8]);
        const root = g.Sqrt(g.Add(1e-3, g.ReduceMean(g.Mul(x, x), [2])));
        return g.Mul(values(g, [8]), g.Div(x, root));
      },
    },
    { about: 'before opset 23', build: (g) => spread(g, -1), fires: false },
    { about: 'over an axis in the middle', opset: 23, build: (g) => spread(g, 1), fires: false },
  ],
});

function spread(g: Builder, axis: number): StaticValue {
  const x = g.input('x', 'float32', [2, 3, 8]);
  const normal = g.Mul(x, g.Reciprocal(g.Sqrt(g.Add(g.ReduceMean(g.Pow(x, 2), [axis]), 1e-5))));
  return g.Mul(normal, values(g, [8]));
}
