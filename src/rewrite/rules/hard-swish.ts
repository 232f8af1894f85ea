/**
 * HardSigmoid and HardSwish that an exporter spread out, put together again.
 *
 *   HardSigmoid(x) = clip(x + 3, 0, 6) / 6          HardSwish(x) = x · HardSigmoid(x)
 */

import { numberAttr, sameDims, uniform } from '../attribute.ts';
import { any, constant, node } from '../pattern.ts';
import { rule } from '../rule.ts';

const swap = { commutes: true };
const x = any('x');
const clipped = node('Clip', [node('Add', [x, constant('three')], swap), constant('low'), constant('high')]);
const sixth = (value: typeof clipped) => [
  node('Div', [value, constant('six')]),
  node('Mul', [value, constant('sixth')], swap),
];

const CONSTANTS: Readonly<Record<string, number>> = { three: 3, low: 0, high: 6, six: 6, sixth: 1 / 6 };
const isSixth = (value: number): boolean => Math.abs(value - 1 / 6) < 1e-4;

export const hardSwish = rule({
  name: 'hard-swish',
  about: 'Clip(x + 3, 0, 6) / 6 becomes HardSigmoid, and x times it HardSwish.',
  pattern: [
    node('Mul', [x, node('HardSigmoid', [x], { as: 'sigmoid' })], swap),
    ...sixth(node('Mul', [x, clipped], { as: 'product', ...swap })),
    ...sixth(clipped),
  ],
  where: ({ nodes: { sigmoid }, values }, net) =>
    (!sigmoid || (isSixth(numberAttr(sigmoid, 'alpha', 0.2)) && numberAttr(sigmoid, 'beta', 0.5) === 0.5)) &&
    Object.entries(CONSTANTS).every(([name, expected]) => {
      const value = values[name] === undefined ? expected : uniform(values[name], net);
      return value !== undefined && Math.abs(value - expected) < 1e-4;
    }),

  check: ({ root, values }, net) =>
    sameDims(net.dims(values.x!), net.dims(root.outputs[0]!))
      ? undefined
      : `the dimensions of "${values.x}" are not known`,

  rewrite: ({ nodes: { sigmoid, product }, values }, edit) =>
    sigmoid || product
      ? { outputs: [edit.emit('HardSwish', [values.x!])], why: 'as HardSwish' }
      : { outputs: [edit.emit('HardSigmoid', [values.x!], { alpha: 1 / 6, beta: 0.5 })], why: 'as HardSigmoid' },

  samples: [
    {
      about: 'x · clip(x + 3) / 6',
      leaves: 'HardSwish',
      build: (g) => {
        const v = g.input('x', 'float32', [2, 3]);
        return g.Div(g.Mul(v, g.Clip(g.Add(v, 3), 0, 6)), 6);
      },
    },
    {
      about: 'x · (clip(x + 3) · 1/6)',
      leaves: 'HardSwish',
      build: (g) => {
        const v = g.input('x', 'float32', [2, 3]);
        return g.Mul(g.Mul(g.Clip(g.Add(3, v), 0, 6), 1 / 6), v);
      },
    },
    {
      about: 'other limits',
      build: (g) => g.Div(g.Clip(g.Add(g.input('x', 'float32', [2, 3]), 3), 0, 3), 6),
      fires: false,
    },
  ],
});
