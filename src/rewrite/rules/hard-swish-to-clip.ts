/**
 * HardSigmoid and HardSwish spelt out, for integers: a clamp is what the limits of an integer do by themselves. Not part of `simplify`.
 *
 *   HardSigmoid(x) = α · clip(x + β/α, 0, 1/α)          HardSwish(x) = α · (x · clip(x + 3, 0, 6)),  α = 1/6
 */

import type { Node } from '../../graph/model.ts';
import { float32 } from '../../graph/tensor.ts';
import { numberAttr } from '../attribute.ts';
import type { Edit } from '../net.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';

/** α and β of the HardSigmoid inside. */
const slopeOf = (hard: Node): readonly [alpha: number, beta: number] =>
  hard.op === 'HardSwish' ? [1 / 6, 0.5] : [numberAttr(hard, 'alpha', 0.2), numberAttr(hard, 'beta', 0.5)];

const scalar = (edit: Edit, wish: string, value: number): string => edit.weight(wish, float32([], [value]));

export const hardSwishToClip = rule({
  name: 'hard-swish-to-clip',
  about: 'HardSigmoid and HardSwish become Add, Clip and Mul, which integer kernels know.',
  pattern: node(['HardSwish', 'HardSigmoid'], [any('x')], { as: 'hard' }),

  check: ({ nodes: { hard }, values: { x } }, net) => {
    if (net.fact(x!)?.dtype !== 'float32') return `"${x}" is not float32`;
    return slopeOf(hard!)[0] > 0 ? undefined : 'its slope is not above 0';
  },

  rewrite: ({ nodes: { hard }, values: { x } }, edit) => {
    const [alpha, beta] = slopeOf(hard!);
    const shifted = edit.emit('Add', [x!, scalar(edit, 'shift', beta / alpha)]);
    const limits = [scalar(edit, 'least', 0), scalar(edit, 'most', 1 / alpha)];
    const clipped = edit.emit('Clip', [shifted, ...limits]);
    const product = hard!.op === 'HardSwish' ? edit.emit('Mul', [x!, clipped]) : clipped;
    return { outputs: [edit.emit('Mul', [product, scalar(edit, 'slope', alpha)])], why: 'as Add, Clip and Mul' };
  },

  samples: [
    {
      about: 'HardSwish',
      leaves: 'Add Clip Mul Mul',
      build: (g) => g.HardSwish(g.input('x', 'float32', [2, 3])),
    },
    {
      about: 'HardSigmoid with its own slope',
      leaves: 'Add Clip Mul',
      build: (g) => g.HardSigmoid(g.input('x', 'float32', [2, 3]), { alpha: 0.25, beta: 0.4 }),
    },
    {
      about: 'a falling HardSigmoid',
      build: (g) => g.HardSigmoid(g.input('x', 'float32', [2, 3]), { alpha: -0.25, beta: 0.4 }),
      fires: false,
    },
  ],
});
