/**
 * Long short-term memory.
 *
 *   z = x·Wᵀ + h·Rᵀ + b, gates [i, o, f, g];  i, o, f = σ;  g = tanh
 *   c' = f ⊙ c + i ⊙ g;  h' = o ⊙ tanh c'
 */

import { count, zerosOf } from './answer.ts';
import { int, op } from './op.ts';
import {
  biasesOf,
  heldBy,
  inDirections,
  isStandard,
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

export const LSTM = op({
  type: 'LSTM',
  inputs: ['X', 'W', 'R', 'B?', 'sequence_lens?', 'initial_h?', 'initial_c?', 'P?'],
  outputs: ['Y?', 'Y_h?', 'Y_c?'],
  attrs: { ...recurrentAttrs, input_forget: int(0) },
  shape: ({ X, R }, a) => recurrentShape(X, R, a, 2),
  grad: 'missing',
  // Its own op stays in what is written; while learning, one product for all inputs, then a Scan.
  decompose: ({ X, W, R, B, sequence_lens, initial_h, initial_c, P }, a, g) => {
    if (P || a.input_forget === 1 || !isStandard(a, ['Sigmoid', 'Tanh', 'Tanh'])) return undefined;
    return inDirections(X, R.dims[2]!, sequence_lens, a, g, ({ direction, rows, time, batch, first, mask }) => {
      const bias = B && biasesOf(B, direction, g);
      const z = g.Gemm(rows, partOf(W, direction, g), bias && g.Add(bias.input, bias.state), { transB: 1 });
      const perStep = g.reshape(z, [time, batch, W.dims[1]!]);
      const operands = [perStep, partOf(R, direction, g), first(initial_h), first(initial_c), mask];
      const [all, h, c] = g.emit('LstmSteps', operands, {}, { outputs: 8 });
      return { all: all!, last: [h!, c!] };
    });
  },
  couple: ({ X, W, R, B, sequence_lens, initial_h, initial_c, P, Y, Y_h, Y_c }, { layout }) =>
    recurrentLinks({ X, W, R, sequence_lens }, [B, P], [initial_h, initial_c, Y_h, Y_c], Y, layout),
  cost: ({ X, W, R }) => recurrentCost(X, W, R),
  quant: 'float',
  samples: [
    {
      X: [3, 2, 2],
      W: [1, 12, 2],
      R: [1, 12, 3],
      B: [1, 24],
      attrs: { hidden_size: 3 },
      outputs: 3,
      macs: 3 * 2 * 12 * (2 + 3),
    },
    {
      X: [3, 2, 2],
      W: [2, 8, 2],
      R: [2, 8, 2],
      sequence_lens: exactly('int32', [2], [3, 2]),
      initial_h: [2, 2, 2],
      initial_c: [2, 2, 2],
      attrs: { hidden_size: 2, direction: 'bidirectional' },
      outputs: 3,
      macs: 2 * 3 * 2 * 8 * (2 + 2),
    },
    {
      X: [2, 1, 2],
      W: [1, 8, 2],
      R: [1, 8, 2],
      attrs: { hidden_size: 2, direction: 'reverse' },
      outputs: 1,
      macs: 2 * 1 * 8 * (2 + 2),
    },
  ],
});

/** All steps of one direction over inputs that are multiplied already: z [T, N, 4H]. What its slope needs comes out too. */
export const LstmSteps = op({
  type: 'LstmSteps',
  domain: 'pare',
  inputs: ['z', 'R', 'h', 'c', 'mask?'],
  outputs: ['all', 'lastH', 'lastC', 'beforeH', 'beforeC', 'gates', 'news', 'tanhC'],
  attrs: {},
  shape: ({ z, h }) => {
    const [time, batch] = z.dims;
    const hidden = h.dims[1]!;
    const steps = { dims: [time!, batch!, hidden], dtype: z.dtype };
    const state = { dims: h.dims, dtype: z.dtype };
    const gates = { dims: [time!, batch!, 3 * (hidden as number)], dtype: z.dtype };
    return [steps, state, state, steps, steps, gates, steps, steps];
  },
  decompose: ({ z, R, h, c, mask }, _, g) => {
    const hidden = h.dims[1]!;
    const [lastH, lastC, ...rest] = scanOver([h, c], [z, ...(mask ? [mask] : [])], 6, false, g, (b, states, [x, m]) => {
      const [before, cell] = states as [typeof h, typeof c];
      const sum = b.Gemm(before, R, x, { transB: 1 }); // [N, 4H]
      const [three, fresh] = b.emit('Split', [sum, [3 * hidden, hidden]], { axis: 1 }, { outputs: 2 });
      const s = b.Sigmoid(three);
      const n = b.Tanh(fresh);
      const [i, o, f] = b.emit('Split', [s], { axis: 1, num_outputs: 3 }, { outputs: 3 });
      const after = b.Add(b.Mul(f, cell), b.Mul(i, n));
      const t = b.Tanh(after);
      const nextH = heldBy(m, b.Mul(o, t), before, b);
      const nextC = heldBy(m, after, cell, b);
      return { states: [nextH, nextC], out: [nextH, before, cell, s, n, t] };
    });
    const [all, ...saved] = rest;
    return [all!, lastH!, lastC!, ...saved];
  },
  grad: ({ z, R, h, c, mask, beforeH, beforeC, gates, news, tanhC, dall, dlastH, dlastC }, _, g) => {
    const [time, batch, width] = z.dims as [number, number, number];
    const hidden = h.dims[1]!;
    const saved = [dall ?? zerosOf([time, batch, hidden], g), beforeC, gates, news, tanhC, ...(mask ? [mask] : [])];
    const start = [dlastH ?? zerosOf(h.dims, g), dlastC ?? zerosOf(c.dims, g)];
    const [dh, dc, dz] = scanOver(start, saved, 1, true, g, (b, states, [dy, cell, s, n, t, m]) => {
      const [i, o, f] = b.emit('Split', [s], { axis: 1, num_outputs: 3 }, { outputs: 3 });
      const slopeH = splitBy(m, b.Add(states[0], dy), b);
      const slopeC = splitBy(m, states[1]!, b);
      const dAfter = b.Add(slopeC.here, b.Mul(b.Mul(slopeH.here, o), b.Sub(1, b.Mul(t, t))));
      const dThree = b.Concat(b.Mul(dAfter, n), b.Mul(slopeH.here, t), b.Mul(dAfter, cell), { axis: 1 });
      const dFresh = b.Mul(b.Mul(dAfter, i), b.Sub(1, b.Mul(n, n)));
      const dSum = b.Concat(b.Mul(dThree, b.Mul(s, b.Sub(1, s))), dFresh, { axis: 1 }); // [N, 4H]
      const back = [rejoin(b.Gemm(dSum, R), slopeH.past, b), rejoin(b.Mul(dAfter, f), slopeC.past, b)];
      return { states: back, out: [dSum] };
    });
    const rows = g.reshape(dz!, [time * batch, width]);
    const R_ = g.Gemm(rows, g.reshape(beforeH, [time * batch, hidden]), { transA: 1 });
    return { z: dz!, R: R_, h: dh!, c: dc! };
  },
  couple: 'none',
  cost: ({ z, R }) => ({ macs: z.dims[0]! * z.dims[1]! * count(R.dims) }),
  quant: 'float',
  samples: [],
});
