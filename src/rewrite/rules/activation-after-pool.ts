/** f(max x) = max f(x) for every f that never falls, so f need only see what the pool keeps. */

import type { Node } from '../../graph/model.ts';
import { numberAttr } from '../attribute.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';

const RISING = ['Relu', 'LeakyRelu', 'Sigmoid', 'Tanh', 'Elu', 'HardSigmoid', 'Softplus', 'Clip'];
/** The engine computes an activation inside these, for nothing. */
const FUSED = new Set(['Conv', 'Gemm']);

const rises = (node: Node): boolean => numberAttr(node, 'alpha', 0) >= 0;

export const activationAfterPool = rule({
  name: 'activation-after-pool',
  about: 'A rising activation before MaxPool moves behind it, where fewer elements are left.',
  pattern: node('MaxPool', [node(RISING, [any('x')], { as: 'f', once: true })], { as: 'pool' }),

  check: ({ nodes: { f, pool }, values: { x } }, net) => {
    if (pool!.outputs[1]) return 'the pool gives places, which ties would change';
    if (!rises(f!)) return `${f!.op} falls somewhere`;
    const maker = net.maker(x!);
    return maker && FUSED.has(maker.op) ? `the engine computes ${f!.op} inside ${maker.op}` : undefined;
  },

  rewrite: ({ nodes: { f, pool }, values: { x } }, edit) => {
    const pooled = edit.emit('MaxPool', [x!], pool!.attrs, { like: pool! });
    const output = edit.emit(f!.op, [pooled, ...f!.inputs.slice(1)], f!.attrs, { like: f! });
    return { outputs: [output], why: `before ${f!.op} "${f!.name}"` };
  },

  samples: [
    {
      about: 'Relu of a sum',
      leaves: 'Sigmoid Neg Add MaxPool Relu',
      build: (g) => {
        const x = g.input('x', 'float32', [1, 2, 6, 6]);
        return g.MaxPool(g.Relu(g.Add(x, g.Neg(g.Sigmoid(x)))), {
          kernel_shape: [3, 3],
          strides: [2, 2],
          pads: [1, 1, 1, 1],
        });
      },
    },
    {
      about: 'Clip with limits',
      leaves: 'Neg MaxPool Clip',
      build: (g) =>
        g.MaxPool(g.Clip(g.Neg(g.input('x', 'float32', [1, 2, 6, 6])), -0.5, 0.5), { kernel_shape: [2, 2] }),
    },
    {
      about: 'LeakyRelu that falls',
      build: (g) =>
        g.MaxPool(g.LeakyRelu(g.Neg(g.input('x', 'float32', [1, 2, 6, 6])), { alpha: -0.5 }), { kernel_shape: [2, 2] }),
      fires: false,
    },
  ],
});
