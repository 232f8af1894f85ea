/**
 * HardSwish whose sixth went into the layers behind it, put together again: what stays in floats runs faster so. Not part of `simplify`.
 *
 *   x · clip(x + 3, 0, 6) = 6 · HardSwish(x)
 */

import { float32 } from '../../graph/tensor.ts';
import { sameDims, uniform } from '../attribute.ts';
import { any, constant, node } from '../pattern.ts';
import { rule } from '../rule.ts';

const swap = { commutes: true };
const x = any('x');
const CONSTANTS: Readonly<Record<string, number>> = { three: 3, low: 0, high: 6 };

export const hardSwishTimesSix = rule({
  name: 'hard-swish-times-six',
  about: 'x · clip(x + 3, 0, 6) becomes six times HardSwish.',
  pattern: node(
    'Mul',
    [x, node('Clip', [node('Add', [x, constant('three')], swap), constant('low'), constant('high')])],
    swap,
  ),
  where: ({ values }, net) =>
    Object.entries(CONSTANTS).every(([name, expected]) => uniform(values[name], net) === expected),

  check: ({ root, values }, net) =>
    net.fact(values.x!)?.dtype === 'float32' && sameDims(net.dims(values.x!), net.dims(root.outputs[0]!))
      ? undefined
      : `"${values.x}" is not float32 of known dimensions`,

  rewrite: ({ values }, edit) => ({
    outputs: [edit.emit('Mul', [edit.emit('HardSwish', [values.x!]), edit.weight('six', float32([], [6]))])],
    why: 'as HardSwish',
  }),

  samples: [
    {
      about: 'without its sixth',
      leaves: 'HardSwish Mul',
      build: (g) => {
        const v = g.input('x', 'float32', [2, 3]);
        return g.Mul(g.Clip(g.Add(v, 3), 0, 6), v);
      },
    },
    {
      about: 'other limits',
      build: (g) => {
        const v = g.input('x', 'float32', [2, 3]);
        return g.Mul(g.Clip(g.Add(v, 3), 0, 3), v);
      },
      fires: false,
    },
  ],
});
