/**
 * Gated recurrent unit.
 *
 *   gates [z, r, n];  z, r = σ(x·Wᵀ + h·Rᵀ + b)
 *   n = tanh(xₙ + (r ⊙ h)·Rₙᵀ + bₙ)          or, linear before reset: tanh(xₙ + r ⊙ (h·Rₙᵀ + bₙ))
 *   h' = (1 − z) ⊙ n + z ⊙ h
 */

import { count, zerosOf } from './answer.ts';
import { int, op, type StaticValue } from './op.ts';
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

export const GRU = op({
  type: 'GRU',
  inputs: ['X', 'W', 'R', 'B?', 'sequence_lens?', 'initial_h?'],
  outputs: ['Y?', 'Y_h?'],
  attrs: { ...recurrentAttrs, linear_before_reset: int(0) },
  shape: ({ X, R }, a) => recurrentShape(X, R, a, 1),
  grad: 'missing',
  decompose: ({ X, W, R, B, sequence_lens, initial_h }, a, g) => {
    if (!isStandard(a, ['Sigmoid', 'Tanh'])) return undefined;
    const hidden = R.dims[2]!;
    const linear = a.linear_before_reset === 1;
    return inDirections(X, hidden, sequence_lens, a, g, ({ direction, x, first, mask }) => {
      const bias = B && biasesOf(B, direction, g);
      // The candidate's own state bias is scaled by the reset gate when that comes after the product.
      const parts = bias && g.emit('Split', [bias.state, [2 * hidden, hidden]], { axis: 0 }, { outputs: 2 });
      const state = parts && (linear ? g.Concat(parts[0]!, zerosOf([hidden], g), { axis: 0 }) : bias.state);
      const perGate = bias && g.reshape(g.Add(bias.input, state), [3 * hidden, 1]);
      const stacked = partOf(R, direction, g);
      const [gatesR, freshR] = g.emit('Split', [stacked, [2 * hidden, hidden]], { axis: 0 }, { outputs: 2 });
      const fresh = linear ? g.reshape(parts?.[1] ?? zerosOf([hidden], g), [hidden, 1]) : undefined;
      const weights = [partOf(W, direction, g), gatesR, freshR, perGate, fresh];
      const [all, h] = g.emit('GruSteps', [x, ...weights, first(initial_h), mask], {}, { outputs: 5 });
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
      W: [1, 9, 2],
      R: [1, 9, 3],
      B: [1, 18],
      attrs: { hidden_size: 3 },
      outputs: 2,
      macs: 3 * 2 * 9 * (2 + 3),
    },
    {
      X: [3, 2, 2],
      W: [2, 6, 2],
      R: [2, 6, 2],
      B: [2, 12],
      sequence_lens: exactly('int32', [2], [2, 3]),
      initial_h: [2, 2, 2],
      attrs: { hidden_size: 2, direction: 'bidirectional', linear_before_reset: 1 },
      outputs: 2,
      macs: 2 * 3 * 2 * 6 * (2 + 2),
    },
  ],
});

/**
 * All steps of one direction: x [T, N, I], b [3H, 1], h [H, N]. With freshB [H, 1] the candidate's product q = Rₙ·h + freshB comes before
 * the reset, n = tanh(xₙ + r ⊙ q); else q = r ⊙ h comes before the product.
 *
 * All that the slopes are multiplied with is made at once, outside the loop over time:
 *
 *   dz = dh ⊙ (h − n)·z·(1 − z);  dn = dh ⊙ a, a = (1 − z)·(1 − n²)
 *   linear:  dr = dh ⊙ a·q·r·(1 − r),  dq = dh ⊙ a·r;       back  dh ⊙ z + Rᵀ·[dz, dr, dq]
 *   else:    dq = Rₙᵀ·dn,  dr = dq ⊙ h·r·(1 − r);           back  dh ⊙ z + dq ⊙ r + Rᵀ·[dz, dr]
 */
export const GruSteps = op({
  type: 'GruSteps',
  domain: 'pare',
  inputs: ['x', 'W', 'gatesR', 'freshR', 'b?', 'freshB?', 'h', 'mask?'],
  outputs: ['all', 'lastH', 'gates', 'news', 'q'],
  attrs: {},
  shape: ({ x, h }) => {
    const [hidden, batch] = h.dims as [number, number];
    const steps = { dims: [x.dims[0]!, hidden, batch], dtype: x.dtype };
    const gates = { dims: [x.dims[0]!, 2 * hidden, batch], dtype: x.dtype };
    return [steps, { dims: h.dims, dtype: x.dtype }, gates, steps, steps];
  },
  decompose: ({ x, W, gatesR, freshR, b: bias, freshB, h, mask }, _, g) => {
    const hidden = h.dims[0]!;
    const perStep = [samplesLast(x, g), ...(mask ? [mask] : [])];
    const [lastH, all, ...saved] = scanOver([h], perStep, 4, false, g, (b, [before], [input, m]) => {
      const product = b.Gemm(W, input, bias); // [3H, N]
      const [xGates, xFresh] = b.emit('Split', [product, [2 * hidden, hidden]], { axis: 0 }, { outputs: 2 });
      const s = b.Sigmoid(b.Gemm(gatesR, before, xGates));
      const [keep, reset] = b.emit('Split', [s], { axis: 0, num_outputs: 2 }, { outputs: 2 });
      const q = freshB ? b.Gemm(freshR, before, freshB) : b.Mul(reset, before);
      const n = b.Tanh(freshB ? b.Add(xFresh, b.Mul(reset, q)) : b.Gemm(freshR, q, xFresh));
      const after = b.Add(n, b.Mul(keep, b.Sub(before, n)));
      const next = heldBy(m, after, before!, b);
      return { states: [next], out: [next, s, n, q] };
    });
    return [all!, lastH!, ...saved];
  },
  grad: ({ x, W, gatesR, freshR, freshB, h, mask, all, gates, news: n, q, dall, dlastH }, _, g) => {
    const before = statesBefore(h, all, g);
    const [keep, reset] = g.emit('Split', [gates], { axis: 1, num_outputs: 2 }, { outputs: 2 });
    const bend = (y: StaticValue): StaticValue => g.Mul(y, g.Sub(1, y));
    const toKeep = g.Mul(g.Sub(before, n), bend(keep!));
    const toFresh = g.Mul(g.Sub(1, keep), g.Sub(1, g.Mul(n, n)));
    const toReset = g.Mul(freshB ? g.Mul(toFresh, q) : before, bend(reset!));
    const factors = freshB
      ? [g.Concat(toKeep, toReset, g.Mul(toFresh, reset), { axis: 1 })]
      : [g.Concat(toKeep, toReset, { axis: 1 }), toFresh, reset!];
    const perStep = [keep!, ...factors, ...(dall ? [dall] : []), ...(mask ? [mask] : [])];
    const turned = (R: StaticValue): StaticValue => g.Transpose(R, { perm: [1, 0] });
    const [backGates, backFresh] = freshB
      ? [turned(g.Concat(gatesR, freshR, { axis: 0 }))]
      : [turned(gatesR), turned(freshR)];
    const start = [dlastH ?? zerosOf(h.dims, g)];
    const [dh, dz, dn] = scanOver(start, perStep, 2, true, g, (b, [state], [kept, factor, ...rest]) => {
      const m = mask && rest.at(-1);
      const slope = dall ? b.Add(state, rest.at(mask ? -2 : -1)) : state!;
      const { here, past } = splitBy(m, slope, b);
      const passed = rejoin(b.Mul(here, kept), past, b);
      if (freshB) {
        const d = b.Mul(b.Concat(here, here, here, { axis: 0 }), factor); // dz, dr, dq
        return { states: [b.Gemm(backGates, d, passed)], out: [d, here] };
      }
      const dFresh = b.Mul(here, rest[0]);
      const dq = b.Gemm(backFresh, dFresh);
      const d = b.Mul(b.Concat(here, dq, { axis: 0 }), factor); // dz, dr
      return { states: [b.Gemm(backGates, d, b.Add(passed, b.Mul(dq, rest[1])))], out: [d, dFresh] };
    });
    const hidden = h.dims[0]!;
    const rows = rowsOf(dz!, g);
    const dFresh = rowsOf(freshB ? g.Mul(dn!, toFresh) : dn!, g);
    const cut = (from: number, to: number): StaticValue => g.Slice(rows, [from], [to], [0]);
    const dGates = freshB ? cut(0, 2 * hidden) : rows;
    const dq = freshB && cut(2 * hidden, 3 * hidden);
    const states = rowsOf(before, g);
    return {
      ...inputSlopes(g.Concat(dGates, dFresh, { axis: 0 }), x, W, g),
      gatesR: g.Gemm(dGates, states, { transB: 1 }),
      freshR: dq ? g.Gemm(dq, states, { transB: 1 }) : g.Gemm(dFresh, rowsOf(q, g), { transB: 1 }),
      freshB: dq && g.ReduceSum(dq, [1]),
      h: dh!,
    };
  },
  couple: 'none',
  cost: ({ x, W, gatesR, freshR }) => ({
    macs: x.dims[0]! * x.dims[1]! * (count(W.dims) + count(gatesR.dims) + count(freshR.dims)),
  }),
  quant: 'float',
  samples: [],
});
