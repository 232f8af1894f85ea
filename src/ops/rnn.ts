/** The plain recurrent layer: h' = f(x·Wᵀ + h·Rᵀ + b), f = tanh, ReLU or the logistic function. */

import { count, zerosOf } from './answer.ts';
import type { Builder } from './builder.ts';
import { op, type StaticValue, text } from './op.ts';
import {
  biasesOf,
  heldBy,
  inDirections,
  partOf,
  recurrentAttrs,
  recurrentCost,
  recurrentLinks,
  recurrentShape,
  rejoin,
  scanOver,
  splitBy,
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
    return inDirections(X, R.dims[2]!, sequence_lens, a, g, ({ direction, rows, time, batch, first, mask }) => {
      const bias = B && biasesOf(B, direction, g);
      const z = g.Gemm(rows, partOf(W, direction, g), bias && g.Add(bias.input, bias.state), { transB: 1 });
      const operands = [g.reshape(z, [time, batch, W.dims[1]!]), partOf(R, direction, g), first(initial_h), mask];
      const [all, h] = g.emit('RnnSteps', operands, { activation: activations[direction] ?? 'Tanh' }, { outputs: 4 });
      return { all: all!, last: [h!] };
    });
  },
  couple: ({ X, W, R, B, sequence_lens, initial_h, Y, Y_h }, { layout }) =>
    recurrentLinks({ X, W, R, sequence_lens }, [B], [initial_h, Y_h], Y, layout),
  cost: ({ X, W, R }) => recurrentCost(X, W, R),
  quant: 'float',
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

/** All steps of one direction. */
export const RnnSteps = op({
  type: 'RnnSteps',
  domain: 'pare',
  inputs: ['z', 'R', 'h', 'mask?'],
  outputs: ['all', 'lastH', 'beforeH', 'news'],
  attrs: { activation: text('Tanh') },
  shape: ({ z, h }) => {
    const steps = { dims: z.dims, dtype: z.dtype };
    return [steps, { dims: h.dims, dtype: z.dtype }, steps, steps];
  },
  decompose: ({ z, R, h, mask }, { activation }, g) => {
    const [lastH, all, ...saved] = scanOver([h], [z, ...(mask ? [mask] : [])], 3, false, g, (b, [before], [x, m]) => {
      const after = b.emit(activation, [b.Gemm(before, R, x, { transB: 1 })])[0]!;
      const next = heldBy(m, after, before!, b);
      return { states: [next], out: [next, before!, after] };
    });
    return [all!, lastH!, ...saved];
  },
  grad: ({ z, R, h, mask, beforeH, news, dall, dlastH }, { activation }, g) => {
    const [time, batch, hidden] = z.dims as [number, number, number];
    const saved = [dall ?? zerosOf(z.dims, g), news, ...(mask ? [mask] : [])];
    const [dh, dz] = scanOver([dlastH ?? zerosOf(h.dims, g)], saved, 1, true, g, (b, [state], [dy, y, m]) => {
      const { here, past } = splitBy(m, b.Add(state, dy), b);
      const dSum = b.Mul(here, BENDS[activation]!(y!, b));
      return { states: [rejoin(b.Gemm(dSum, R), past, b)], out: [dSum] };
    });
    const rows = (x: StaticValue): StaticValue => g.reshape(x, [time * batch, hidden]);
    return { z: dz!, R: g.Gemm(rows(dz!), rows(beforeH), { transA: 1 }), h: dh! };
  },
  couple: 'none',
  cost: ({ z, R }) => ({ macs: z.dims[0]! * z.dims[1]! * count(R.dims) }),
  quant: 'float',
  samples: [],
});
