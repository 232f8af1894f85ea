/** Identity(x) = x. */

import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';

export const dropIdentity = rule({
  name: 'drop-identity',
  about: 'Readers of an Identity read its input.',
  pattern: node('Identity', [any('x')]),
  check: () => undefined,
  rewrite: ({ values: { x } }) => ({ outputs: [x], why: 'passes its input on' }),
  samples: [
    {
      about: 'in the middle',
      leaves: 'Neg Relu',
      build: (g) => g.Relu(g.Identity(g.Neg(g.input('x', 'float32', [2, 3])))),
    },
    { about: 'as an output', leaves: 'Neg', build: (g) => g.Identity(g.Neg(g.input('x', 'float32', [2, 3]))) },
    {
      about: 'of a weight',
      leaves: 'Add',
      build: (g) => g.Add(g.input('x', 'float32', [2, 3]), g.Identity(values(g, [3]))),
    },
    { about: 'from input to output', build: (g) => g.Identity(g.input('x', 'float32', [2, 3])), fires: false },
  ],
});
