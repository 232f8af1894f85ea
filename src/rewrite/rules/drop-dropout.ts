/** Dropout(x) = x outside training. */

import { knownInts } from '../attribute.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';

export const dropDropout = rule({
  name: 'drop-dropout',
  about: 'Dropout that does not train passes its input on.',
  pattern: node('Dropout', [any('x')], { as: 'drop' }),

  check: ({ nodes: { drop } }, net) => {
    const [, , training] = drop!.inputs;
    if (training && knownInts(training, net)?.[0] !== 0) return `"${training}" may switch training on`;
    const mask = drop!.outputs[1];
    return mask && (net.isOutput(mask) || net.readers(mask).length > 0) ? `its mask "${mask}" is read` : undefined;
  },

  rewrite: ({ values: { x } }) => ({ outputs: [x], why: 'drops nothing outside training' }),

  samples: [
    {
      about: 'with the default ratio',
      leaves: 'Neg Relu',
      build: (g) => g.Relu(g.Dropout(g.Neg(g.input('x', 'float32', [2, 3])))),
    },
    {
      about: 'whose mask is an output',
      build: (g) => g.emit('Dropout', [g.input('x', 'float32', [2, 3])], {}, { outputs: 2 }),
      fires: false,
    },
  ],
});
