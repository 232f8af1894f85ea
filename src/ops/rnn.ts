/** The plain recurrent layer: h' = f(x·Wᵀ + h·Rᵀ + b), f = tanh, ReLU or the logistic function. */

import { count, zerosOf } from './answer.ts';
import type { Builder } from './builder.ts';
import { op, type StaticValue, text } from './op.ts';
import {
  biasesOf,
  heldBy,
  inDirections,
  inputSlopes,
  partOf,
  recurrentAttrs,
  recurrentCost,
  recurrentLinks,
  recurrentQuant,
  recurrentShape,
  rowsOf,
  samplesLast,
  scanOver,
  splitBy,
  statesBefore,
} from './recurrent.ts';
import { exactly } from './sample.ts';

/** f'(x), told from y = f(x). */
const BENDS: Readonly<Record<string, (y: StaticValue, b: Builder) => StaticValue>> = {
  Tanh: (y, b) => b.Sub(1, b.Mul(y, y)),
  Sigmoid: (y, b) => b.Mul(y, b.Sub(1, y)),
  Relu: (y, b) => b.Cast(b.Greater(y, 0), { to: 1 }),
};

export const RNN = op({
  type: 'RNN',
  inputs: ['X', 'W', 'R', 'B?', 'sequence_lens?', 'initial_h?'],
  outputs: ['Y?', 'Y_h?'],
  attrs: recurrentAttrs,
  shape: ({ X, R }, a) => recurrentShape(X, R, a, 1),
  grad: 'missing',
  decompose: ({ X, W, R, B, sequence_lens, initial_h }, a, g) => {
    const activations = a.activations ?? ['Tanh', 'Tanh'];
    if (a.clip !== undefined || !activations.every((name) => name in BENDS)) return undefined;
    return inDirections(X, R.dims[2]!, sequence_lens, a, g, ({ direction, x, first, mask }) => {
      const bias = B && biasesOf(B, direction, g);
      const perUnit = bias && g.reshape(g.Add(bias.input, bias.state), [W.dims[1]!, 1]);
      const weights = [partOf(W, direction, g), partOf(R, direction, g), perUnit];
      const attrs = { activation: activations[direction] ?? 'Tanh' };
      const [all, h] = g.emit('RnnSteps', [x, ...weights, first(initial_h), mask], attrs, { outputs: 3 });
      return { all: all!, last: [h!] };
    });
  },
  couple: ({ X, W, R, B, sequence_lens, initial_h, Y, Y_h }, { layout }) =>
    recurrentLinks({ X, W, R, sequence_lens }, [B], [initial_h, Y_h], Y, layout),
  cost: ({ X, W, R }) => recurrentCost(X, W, R),
  quant: recurrentQuant,
  samples: [
    {
      X: [3, 2, 2],
      W: [1, 3, 2],
      R: [1, 3, 3],
      B: [1, 6],
      attrs: { hidden_size: 3 },
      outputs: 2,
      macs: 3 * 2 * 3 * (2 + 3),
    },
    {
      X: [3, 2, 2],
      W: [2, 2, 2],
      R: [2, 2, 2],
      sequence_lens: exactly('int32', [2], [1, 3]),
      initial_h: [2, 2, 2],
      attrs: { hidden_size: 2, direction: 'bidirectional', activations: ['Tanh', 'Sigmoid'] },
      outputs: 2,
      macs: 2 * 3 * 2 * 2 * (2 + 2),
    },
  ],
});

/** All steps of one direction: x [T, N, I], b [H, 1], h [H, N]. */
export const RnnSteps = op({
  type: 'RnnSteps',
  domain: 'pare',
  inputs: ['x', 'W', 'R', 'b?', 'h', 'mask?'],
  outputs: ['all', 'lastH', 'news'],
  attrs: { activation: text('Tanh') },
  shape: ({ x, h }) => {
    const steps = { dims: [x.dims[0]!, ...h.dims], dtype: x.dtype };
    return [steps, { dims: h.dims, dtype: x.dtype }, steps];
  },
  decompose: ({ x, W, R, b: bias, h, mask }, { activation }, g) => {
    const perStep = [samplesLast(x, g), ...(mask ? [mask] : [])];
    const [lastH, news, held] = scanOver([h], perStep, mask ? 2 : 1, false, g, (b, [before], [input, m]) => {
      const after = b.emit(activation, [b.Gemm(R, before, b.Gemm(W, input, bias))])[0]!;
      const next = heldBy(m, after, before!, b);
      return { states: [next], out: m ? [after, next] : [after] };
    });
    return [held ?? news!, lastH!, news!];
  },
  grad: ({ x, W, R, h, mask, all, news, dall, dlastH }, { activation }, g) => {
    const perStep = [BENDS[activation]!(news, g), ...(dall ? [dall] : []), ...(mask ? [mask] : [])];
    const turnedR = g.Transpose(R, { perm: [1, 0] });
    const start = [dlastH ?? zerosOf(h.dims, g)];
    const [dh, dz] = scanOver(start, perStep, 1, true, g, (b, [state], [bend, ...rest]) => {
      const { here, past } = splitBy(mask && rest.at(-1), dall ? b.Add(state, rest[0]) : state!, b);
      const dSum = b.Mul(here, bend);
      return { states: [b.Gemm(turnedR, dSum, past)], out: [dSum] };
    });
    const perUnit = rowsOf(dz!, g); // [H, T·N]
    const dR = g.Gemm(perUnit, rowsOf(statesBefore(h, all, g), g), { transB: 1 });
    return { ...inputSlopes(perUnit, x, W, g), R: dR, h: dh! };
  },
  couple: 'none',
  cost: ({ x, W, R }) => ({ macs: x.dims[0]! * x.dims[1]! * (count(W.dims) + count(R.dims)) }),
  quant: 'float',
  samples: [],
});
