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
import { sameDims, uniform } from '../attribute.ts';
import type { Net } from '../net.ts';
import { any, constant, type Match, node, oneOf, type Pattern } from '../pattern.ts';
import { rule } from '../rule.ts';

const swap = { commutes: true };
const mul = (a: Pattern, b: Pattern) => node('Mul', [a, b], swap);

const x = any('x');
const cubed = oneOf(node('Pow', [x, constant('three')]), mul(mul(x, x), x));
const inner = oneOf(
  node('Add', [x, mul(cubed, constant('cubic'))], swap),
  node('Add', [x, mul(x, mul(x, mul(x, constant('cubic'))))], swap),
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
  two: 2,
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
  pattern: [
    mul(mul(x, half), bracket),
    mul(mul(x, bracket), half),
    mul(x, mul(bracket, half)),
    node('Div', [mul(x, bracket), constant('two')]),
    mul(node('Div', [x, constant('two')]), bracket),
    mul(x, node('Div', [bracket, constant('two')])),
  ],
  where: hasConstants,

  check: ({ root, values }, net) => {
    if (!sameDims(net.dims(values.x!), net.dims(root.outputs[0]!)))
      return `the dimensions of "${values.x}" are not known`;
    return net.opset >= 20 ? undefined : `Gelu came with opset 20, the model has ${net.opset}`;
  },

  rewrite: ({ nodes: { tanh }, values }, edit) => {
    const approximate = tanh ? 'tanh' : 'none';
    return { outputs: [edit.emit('Gelu', [values.x!], { approximate })], why: tanh ? 'by tanh' : 'by erf' };
  },

  samples: [
    {
      about: 'exact, as PyTorch spreads it out',
      leaves: 'Gelu',
      build: (g) => {
        const v = g.input('x', 'float32', [2, 3]);
        return g.Mul(g.Mul(v, g.Add(g.Erf(g.Div(v, Math.SQRT2)), 1)), 0.5);
      },
    },
    {
      about: 'exact, the half first',
      leaves: 'Gelu',
      build: (g) => {
        const v = g.input('x', 'float32', [2, 3]);
        return g.Mul(g.Add(1, g.Erf(g.Mul(Math.SQRT1_2, v))), g.Mul(0.5, v));
      },
    },
    {
      about: 'by tanh, with a power',
      leaves: 'Gelu',
      build: (g) => byTanh(g, g.input('x', 'float32', [2, 3]), (v) => g.Pow(v, 3)),
    },
    {
      about: 'by tanh, with products',
      leaves: 'Gelu',
      build: (g) => byTanh(g, g.input('x', 'float32', [2, 3]), (v) => g.Mul(v, g.Mul(v, v))),
    },
    {
      about: 'by tanh, with the factor first, as Flax spreads it out',
      leaves: 'Gelu',
      build: (g) => {
        const v = g.input('x', 'float32', [2, 3]);
        const inside = g.Mul(Math.sqrt(2 / Math.PI), g.Add(v, g.Mul(v, g.Mul(v, g.Mul(0.044715, v)))));
        return g.Mul(v, g.Mul(0.5, g.Add(1, g.Tanh(inside))));
      },
    },
    {
      about: 'another slope',
      build: (g) => {
        const v = g.input('x', 'float32', [2, 3]);
        return g.Mul(g.Mul(v, g.Add(g.Erf(v), 1)), 0.5);
      },
      fires: false,
    },
  ],
});

function byTanh(g: Builder, v: StaticValue, cube: (v: StaticValue) => StaticValue): StaticValue {
  const inside = g.Mul(g.Add(v, g.Mul(cube(v), 0.044715)), Math.sqrt(2 / Math.PI));
  return g.Mul(v, g.Mul(0.5, g.Add(1, g.Tanh(inside))));
}
