/** Activations, and the soft maxima that close a classifier. */

import { fromFront, noMacs } from './answer.ts';
import type { Builder } from './builder.ts';
import { unary } from './element-wise.ts';
import { intOf } from './history.ts';
import { mixes, tie, tieBroadcast } from './link.ts';
import { type AttrSpecs, float, int, op, type StaticValue, text } from './op.ts';
import { between, exactly } from './sample.ts';

// HardSigmoid with a huge slope is a step: 1 where y > 0, else 0. Three times faster than Greater + Cast on the engine.
const step = (g: Builder, y: StaticValue): StaticValue => g.HardSigmoid(y, { alpha: 3e38, beta: 0 });

export const Relu = unary('Relu', ({ Y, dY }, _, g) => g.Mul(dY, step(g, Y)), {
  quant: { kind: 'clamps', lo: 0, hi: Number.POSITIVE_INFINITY },
});
export const LeakyRelu = unary(
  'LeakyRelu',
  ({ X, dY }, { alpha }, g) => g.Mul(dY, g.Add(g.Mul(step(g, X), 1 - alpha), alpha)),
  { attrs: { alpha: float(0.01) }, quant: 'own', samples: [{ X: [2, 3] }, { X: [2, 3, 4], attrs: { alpha: 0.3 } }] },
);
export const ThresholdedRelu = unary(
  'ThresholdedRelu',
  ({ X, dY }, { alpha }, g) => g.Mul(dY, g.Cast(g.Greater(X, alpha), { to: 1 })),
  {
    attrs: { alpha: float(1) },
    samples: [{ X: [2, 3], attrs: { alpha: 0.15 } }],
  },
);
export const Elu = unary(
  'Elu',
  ({ X, Y, dY }, { alpha }, g) => g.Mul(dY, g.Where(g.Greater(X, 0), g.scalar(1), g.Add(Y, alpha))),
  { attrs: { alpha: float(1) } },
);
export const Selu = unary(
  'Selu',
  ({ X, Y, dY }, { alpha, gamma }, g) => g.Mul(dY, g.Where(g.Greater(X, 0), g.scalar(gamma), g.Add(Y, alpha * gamma))),
  { attrs: { alpha: float(1.6732632423543772), gamma: float(1.0507009873554805) } },
);
export const Sigmoid = unary('Sigmoid', ({ Y, dY }, _, g) => g.Mul(dY, g.Mul(Y, g.Sub(1, Y))), {
  quant: { kind: 'own', rises: (x) => 1 / (1 + Math.exp(-x)) },
});
export const HardSigmoid = unary(
  'HardSigmoid',
  ({ Y, dY }, { alpha }, g) => g.Mul(dY, g.Mul(g.Cast(g.And(g.Greater(Y, 0), g.Less(Y, 1)), { to: 1 }), alpha)),
  {
    attrs: { alpha: float(0.2), beta: float(0.5) },
    samples: [{ X: between(-2.3, 2.3, [3, 5]) }, { X: between(3, 5, [4]) }],
  },
);
export const Tanh = unary('Tanh', ({ Y, dY }, _, g) => g.Mul(dY, g.Sub(1, g.Mul(Y, Y))));
export const Softplus = unary('Softplus', ({ X, dY }, _, g) => g.Mul(dY, g.Sigmoid(X)));
export const Softsign = unary('Softsign', ({ X, dY }, _, g) => {
  const d = g.Add(g.Abs(X), 1);
  return g.Div(dY, g.Mul(d, d));
});
// y = x · hardSigmoid(x, 1/6, 1/2)
export const HardSwish = unary(
  'HardSwish',
  ({ X, dY }, _, g) => {
    const h = g.HardSigmoid(X, { alpha: 1 / 6, beta: 0.5 });
    const inside = g.Cast(g.And(g.Greater(h, 0), g.Less(h, 1)), { to: 1 });
    return g.Mul(dY, g.Add(h, g.Mul(g.Mul(X, inside), 1 / 6)));
  },
  { samples: [{ X: between(-2.8, 2.8, [3, 5]) }, { X: between(3.2, 5, [4]) }] },
);
// y = x · tanh(softplus(x))
export const Mish = unary('Mish', ({ X, dY }, _, g) => {
  const t = g.Tanh(g.Softplus(X));
  return g.Mul(dY, g.Add(t, g.Mul(g.Mul(X, g.Sigmoid(X)), g.Sub(1, g.Mul(t, t)))));
});
export const Swish = unary(
  'Swish',
  ({ X, dY }, { alpha }, g) => {
    const s = g.Sigmoid(g.Mul(X, alpha));
    return g.Mul(dY, g.Add(s, g.Mul(g.Mul(g.Mul(X, alpha), s), g.Sub(1, s))));
  },
  { attrs: { alpha: float(1) }, since: 24, samples: [{ X: [2, 3] }, { X: [2, 5], attrs: { alpha: 1.7 } }] },
);
// y = max(0, x) + min(0, α·(e^(x/α) − 1)):  1 where x > 0, else e^(x/α)
export const Celu = unary(
  'Celu',
  ({ X, dY }, { alpha }, g) => g.Mul(dY, g.Where(g.Greater(X, 0), g.scalar(1), g.Exp(g.Div(X, alpha)))),
  { attrs: { alpha: float(1) }, samples: [{ X: [2, 3] }, { X: [2, 5], attrs: { alpha: 0.6 } }] },
);
// y = x + bias below −λ, x − bias above λ, 0 between
export const Shrink = unary(
  'Shrink',
  ({ X, dY }, { lambd }, g) => g.Mul(dY, g.Cast(g.Greater(g.Abs(X), lambd), { to: 1 })),
  {
    attrs: { bias: float(0), lambd: float(0.5) },
    samples: [
      { X: between(0.8, 1.5, [2, 3]), attrs: { lambd: 0.7, bias: 0.3 } },
      { X: between(-0.6, 0.6, [4]), attrs: { lambd: 0.7 } },
    ],
  },
);

// exact: y = x·Φ(x), y' = Φ(x) + x·φ(x);  tanh: y = x/2·(1 + tanh u), u = √(2/π)(x + 0.044715 x³)
export const Gelu = unary(
  'Gelu',
  ({ X, dY }, { approximate }, g) => {
    if (approximate === 'tanh') {
      const x2 = g.Mul(X, X);
      const t = g.Tanh(g.Mul(g.Mul(X, g.Add(g.Mul(x2, 0.044715), 1)), Math.sqrt(2 / Math.PI)));
      const du = g.Mul(g.Add(g.Mul(x2, 3 * 0.044715), 1), Math.sqrt(2 / Math.PI));
      const inner = g.Mul(g.Mul(X, g.Sub(1, g.Mul(t, t))), du);
      return g.Mul(dY, g.Mul(g.Add(g.Add(t, 1), inner), 0.5));
    }
    const cdf = g.Mul(g.Add(g.Erf(g.Mul(X, Math.SQRT1_2)), 1), 0.5);
    const pdf = g.Mul(g.Exp(g.Mul(g.Mul(X, X), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return g.Mul(dY, g.Add(cdf, g.Mul(X, pdf)));
  },
  { attrs: { approximate: text('none') }, samples: [{ X: [2, 3] }, { X: [2, 5], attrs: { approximate: 'tanh' } }] },
);

export const PRelu = op({
  type: 'PRelu',
  inputs: ['X', 'slope'],
  attrs: {},
  shape: ({ X }) => X.dims,
  grad: ({ X, slope, dY }, _, g) => {
    const isNegative = g.Sub(1, step(g, X));
    return {
      X: g.Mul(dY, g.Add(g.Mul(isNegative, g.Sub(slope, 1)), 1)),
      slope: g.sumTo(g.Mul(dY, g.Mul(isNegative, X)), slope.dims),
    };
  },
  couple: ({ X, slope, Y }) => [...tieBroadcast(Y, X), ...tieBroadcast(Y, slope)],
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [2, 3], slope: [3] },
    { X: [2, 3, 4], slope: [3, 1] },
    { X: [2, 3], slope: exactly('float32', [1], [0.25]) },
  ],
});

const softmaxAttrs = { axis: int(-1) } satisfies AttrSpecs;
type SoftGrad = (v: { Y: StaticValue; dY: StaticValue }, axis: number, g: Builder) => StaticValue;

const soft = (type: string, grad: SoftGrad | 'none') =>
  op({
    type,
    inputs: ['X'],
    attrs: softmaxAttrs,
    shape: ({ X }) => X.dims,
    grad:
      grad === 'none'
        ? 'none'
        : ({ X, Y, dY }, { axis }, g) => ({ X: grad({ Y, dY }, fromFront(axis, X.dims.length), g) }),
    couple: ({ X, Y }, { axis }) =>
      X.flatMap((x, i) =>
        i === fromFront(axis, X.length)
          ? [mixes(x, `${type} normalises over it`), mixes(Y[i]!, `${type} normalises over it`)]
          : [tie(Y[i]!, x)],
      ),
    cost: noMacs,
    quant: 'own',
    samples: [{ X: [2, 3] }, { X: [2, 3, 4], attrs: { axis: 1 } }],
    history: [
      {
        // Up to opset 12 the axes from `axis` on were flattened and normalised together; default axis 1.
        until: 12,
        modern: (node, make) => {
          const axis = intOf(node, 'axis', 1);
          const rank = make.rank(node.inputs[0]!);
          const flat = rank !== undefined && fromFront(axis, rank) === rank - 1;
          if (flat) return { ...node, attrs: { axis: { kind: 'int', value: -1 } } };
          const shape = make.fresh(`${node.outputs[0]}_shape`);
          const flattened = make.fresh(`${node.outputs[0]}_flat`);
          const done = make.fresh(`${node.outputs[0]}_soft`);
          make.before({ op: 'Shape', inputs: [node.inputs[0]!], outputs: [shape], attrs: {} });
          make.before({
            op: 'Flatten',
            inputs: [node.inputs[0]!],
            outputs: [flattened],
            attrs: { axis: { kind: 'int', value: axis } },
          });
          make.after({ op: 'Reshape', inputs: [done, shape], outputs: node.outputs, attrs: {} });
          return { ...node, inputs: [flattened], outputs: [done], attrs: { axis: { kind: 'int', value: -1 } } };
        },
        old: (node, make) => {
          const dims = make.dims(node.inputs[0]!);
          if (!dims) return 'the rank is unknown from whose end its axis counts';
          const axis = fromFront(intOf(node, 'axis', -1), dims.length);
          return dims.slice(axis + 1).every((dim) => dim === 1)
            ? { ...node, attrs: { axis: { kind: 'int', value: axis } } }
            : 'its axis is not the last';
        },
      },
    ],
  });

/** 1 at the first maximum along the axis, 0 elsewhere. */
export const Hardmax = soft('Hardmax', 'none');
// dX = Y ⊙ (dY − Σ dY ⊙ Y)
export const Softmax = soft('Softmax', ({ Y, dY }, axis, g) => g.Mul(Y, g.Sub(dY, g.ReduceSum(g.Mul(dY, Y), [axis]))));
// dX = dY − softmax(X) · Σ dY
export const LogSoftmax = soft('LogSoftmax', ({ Y, dY }, axis, g) =>
  g.Sub(dY, g.Mul(g.Exp(Y), g.ReduceSum(dY, [axis]))),
);
