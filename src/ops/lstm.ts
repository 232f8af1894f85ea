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
  inputSlopes,
  isStandard,
  partOf,
  recurrentAttrs,
  recurrentCost,
  recurrentLinks,
  recurrentQuant,
  recurrentShape,
  rejoin,
  rowsOf,
  samplesLast,
  scanOver,
  splitBy,
  statesBefore,
} from './recurrent.ts';
import { exactly } from './sample.ts';

export const LSTM = op({
  type: 'LSTM',
  inputs: ['X', 'W', 'R', 'B?', 'sequence_lens?', 'initial_h?', 'initial_c?', 'P?'],
  outputs: ['Y?', 'Y_h?', 'Y_c?'],
  attrs: { ...recurrentAttrs, input_forget: int(0) },
  shape: ({ X, R }, a) => recurrentShape(X, R, a, 2),
  grad: 'missing',
  // Its own op stays in what is written; while learning, a Scan.
  decompose: ({ X, W, R, B, sequence_lens, initial_h, initial_c, P }, a, g) => {
    if (P || a.input_forget === 1 || !isStandard(a, ['Sigmoid', 'Tanh', 'Tanh'])) return undefined;
    return inDirections(X, R.dims[2]!, sequence_lens, a, g, ({ direction, x, first, mask }) => {
      const bias = B && biasesOf(B, direction, g);
      const perGate = bias && g.reshape(g.Add(bias.input, bias.state), [W.dims[1]!, 1]);
      const weights = [partOf(W, direction, g), partOf(R, direction, g), perGate];
      const operands = [x, ...weights, first(initial_h), first(initial_c), mask];
      const [all, h, c] = g.emit('LstmSteps', operands, {}, { outputs: 10 });
      return { all: all!, last: [h!, c!] };
    });
  },
  couple: ({ X, W, R, B, sequence_lens, initial_h, initial_c, P, Y, Y_h, Y_c }, { layout }) =>
    recurrentLinks({ X, W, R, sequence_lens }, [B, P], [initial_h, initial_c, Y_h, Y_c], Y, layout),
  cost: ({ X, W, R }) => recurrentCost(X, W, R),
  quant: recurrentQuant,
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

/**
 * All steps of one direction: x [T, N, I], b [4H, 1], states [H, N].
 *
 * The gates, j = i ⊙ g, k = f ⊙ c and t = tanh c' of every step come out too. From them all that the slopes are multiplied with is made at
 * once, outside the loop over time, which then has six small nodes a step:
 *
 *   dc = dc' + dh ⊙ (o − o·t·t);  dz = [dc, dh, dc, dc] ⊙ [j·(1 − i), o·t·(1 − o), k·(1 − f), i − j·g]
 *   back to the step before:  dh = Rᵀ·dz,  dc = dc ⊙ f
 */
export const LstmSteps = op({
  type: 'LstmSteps',
  domain: 'pare',
  inputs: ['x', 'W', 'R', 'b?', 'h', 'c', 'mask?'],
  outputs: ['all', 'lastH', 'lastC', 'i', 'o', 'f', 'n', 't', 'j', 'k'],
  attrs: {},
  shape: ({ x, h }) => {
    const steps = { dims: [x.dims[0]!, ...h.dims], dtype: x.dtype };
    const state = { dims: h.dims, dtype: x.dtype };
    return [steps, state, state, ...new Array<typeof steps>(7).fill(steps)];
  },
  decompose: ({ x, W, R, b: bias, h, c, mask }, _, g) => {
    const hidden = h.dims[0]!;
    const perStep = [samplesLast(x, g), ...(mask ? [mask] : [])];
    const [lastH, lastC, ...saved] = scanOver([h, c], perStep, mask ? 8 : 7, false, g, (b, states, [input, m]) => {
      const [before, cell] = states as [typeof h, typeof c];
      const sum = b.Gemm(R, before, b.Gemm(W, input, bias)); // [4H, N]
      const [three, fresh] = b.emit('Split', [sum, [3 * hidden, hidden]], { axis: 0 }, { outputs: 2 });
      const [i, o, f] = b.emit('Split', [b.Sigmoid(three)], { axis: 0, num_outputs: 3 }, { outputs: 3 });
      const n = b.Tanh(fresh);
      const [j, k] = [b.Mul(i, n), b.Mul(f, cell)];
      const after = b.Add(k, j);
      const t = b.Tanh(after);
      const nextH = heldBy(m, b.Mul(o, t), before, b);
      const gates = [i!, o!, f!, n, t, j, k];
      return { states: [nextH, heldBy(m, after, cell, b)], out: m ? [...gates, nextH] : gates };
    });
    const all = saved[7] ?? g.Mul(saved[1], saved[4]);
    return [all, lastH!, lastC!, ...saved.slice(0, 7)];
  },
  grad: ({ x, W, R, h, c, mask, all, i, o, f, n, t, j, k, dall, dlastH, dlastC }, _, g) => {
    const made = mask ? g.Mul(o, t) : all;
    const bends = [g.Mul(j, g.Sub(1, i)), g.Mul(made, g.Sub(1, o)), g.Mul(k, g.Sub(1, f)), g.Sub(i, g.Mul(j, n))];
    const gain = g.Sub(o, g.Mul(made, t));
    const perStep = [g.Concat(...bends, { axis: 1 }), gain, f, ...(dall ? [dall] : []), ...(mask ? [mask] : [])];
    const turnedR = g.Transpose(R, { perm: [1, 0] });
    const start = [dlastH ?? zerosOf(h.dims, g), dlastC ?? zerosOf(c.dims, g)];
    const [dh, dc, dz] = scanOver(start, perStep, 1, true, g, (b, states, [bend, gained, kept, ...rest]) => {
      const m = mask && rest.at(-1);
      const slopeH = splitBy(m, dall ? b.Add(states[0], rest[0]) : states[0]!, b);
      const slopeC = splitBy(m, states[1]!, b);
      const dAfter = b.Add(slopeC.here, b.Mul(slopeH.here, gained));
      const dSum = b.Mul(b.Concat(dAfter, slopeH.here, dAfter, dAfter, { axis: 0 }), bend); // [4H, N]
      return { states: [b.Gemm(turnedR, dSum, slopeH.past), rejoin(b.Mul(dAfter, kept), slopeC.past, b)], out: [dSum] };
    });
    const perGate = rowsOf(dz!, g); // [4H, T·N]
    const dR = g.Gemm(perGate, rowsOf(statesBefore(h, all, g), g), { transB: 1 });
    return { ...inputSlopes(perGate, x, W, g), R: dR, h: dh!, c: dc! };
  },
  couple: 'none',
  cost: ({ x, W, R }) => ({ macs: x.dims[0]! * x.dims[1]! * (count(W.dims) + count(R.dims)) }),
  quant: 'float',
  samples: [],
});
