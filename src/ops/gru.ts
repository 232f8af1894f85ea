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
    return inDirections(X, hidden, sequence_lens, a, g, ({ direction, rows, time, batch, first, mask }) => {
      const bias = B && biasesOf(B, direction, g);
      // The candidate's own state bias is scaled by the reset gate when that comes after the product.
      const parts = bias && g.emit('Split', [bias.state, [2 * hidden, hidden]], { axis: 0 }, { outputs: 2 });
      const state = parts && (linear ? g.Concat(parts[0]!, zerosOf([hidden], g), { axis: 0 }) : bias.state);
      const z = g.Gemm(rows, partOf(W, direction, g), bias && g.Add(bias.input, state), { transB: 1 });
      const perStep = g.reshape(z, [time, batch, 3 * hidden]);
      const [gatesR, freshR] = g.emit(
        'Split',
        [partOf(R, direction, g), [2 * hidden, hidden]],
        { axis: 0 },
        { outputs: 2 },
      );
      const b = linear ? (parts?.[1] ?? zerosOf([hidden], g)) : undefined;
      const [all, h] = g.emit('GruSteps', [perStep, gatesR, freshR, first(initial_h), b, mask], {}, { outputs: 6 });
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

/** All steps of one direction; with b, the candidate's product comes before the reset. */
export const GruSteps = op({
  type: 'GruSteps',
  domain: 'pare',
  inputs: ['z', 'gatesR', 'freshR', 'h', 'b?', 'mask?'],
  outputs: ['all', 'lastH', 'beforeH', 'gates', 'news', 'linear'],
  attrs: {},
  shape: ({ z, h }) => {
    const [time, batch] = z.dims;
    const hidden = h.dims[1] as number;
    const steps = { dims: [time!, batch!, hidden], dtype: z.dtype };
    const gates = { dims: [time!, batch!, 2 * hidden], dtype: z.dtype };
    return [steps, { dims: h.dims, dtype: z.dtype }, steps, gates, steps, steps];
  },
  decompose: ({ z, gatesR, freshR, h, b: bias, mask }, _, g) => {
    const hidden = h.dims[1]!;
    const [lastH, all, ...saved] = scanOver([h], [z, ...(mask ? [mask] : [])], 5, false, g, (b, [before], [x, m]) => {
      const [xGates, xFresh] = b.emit('Split', [x, [2 * hidden, hidden]], { axis: 1 }, { outputs: 2 });
      const s = b.Sigmoid(b.Gemm(before, gatesR, xGates, { transB: 1 }));
      const [keep, reset] = b.emit('Split', [s], { axis: 1, num_outputs: 2 }, { outputs: 2 });
      const linear = bias ? b.Gemm(before, freshR, bias, { transB: 1 }) : b.Mul(reset, before);
      const fresh = bias ? b.Add(xFresh, b.Mul(reset, linear)) : b.Gemm(linear, freshR, xFresh, { transB: 1 });
      const n = b.Tanh(fresh);
      const after = b.Add(n, b.Mul(keep, b.Sub(before, n)));
      const next = heldBy(m, after, before!, b);
      return { states: [next], out: [next, before!, s, n, linear] };
    });
    return [all!, lastH!, ...saved];
  },
  grad: ({ z, gatesR, freshR, h, b: bias, mask, beforeH, gates, news, linear, dall, dlastH }, _, g) => {
    const [time, batch, width] = z.dims as [number, number, number];
    const hidden = h.dims[1]!;
    const saved = [dall ?? zerosOf([time, batch, hidden], g), beforeH, gates, news, linear, ...(mask ? [mask] : [])];
    const [dh, dz] = scanOver(
      [dlastH ?? zerosOf(h.dims, g)],
      saved,
      1,
      true,
      g,
      (b, [state], [dy, before, s, n, q, m]) => {
        const [keep, reset] = b.emit('Split', [s], { axis: 1, num_outputs: 2 }, { outputs: 2 });
        const { here, past } = splitBy(m, b.Add(state, dy), b);
        const dKeep = b.Mul(here, b.Sub(before, n));
        const dFresh = b.Mul(b.Sub(here, b.Mul(here, keep)), b.Sub(1, b.Mul(n, n)));
        const dLinear = bias ? b.Mul(dFresh, reset) : b.Gemm(dFresh, freshR); // slope of what the reset gate met
        const dReset = b.Mul(bias ? dFresh : dLinear, bias ? q! : before!);
        const dGates = b.Mul(b.Concat(dKeep, dReset, { axis: 1 }), b.Mul(s, b.Sub(1, s))); // [N, 2H]
        const through = bias ? b.Gemm(dLinear, freshR) : b.Mul(dLinear, reset);
        const back = b.Add(b.Add(b.Mul(here, keep), through), b.Gemm(dGates, gatesR));
        return { states: [rejoin(back, past, b)], out: [b.Concat(dGates, dFresh, { axis: 1 })] };
      },
    );
    const many = time * batch;
    const flat = (x: StaticValue): StaticValue => g.reshape(x, [many, x.dims[2]!]);
    const [dGates, dFresh] = g.emit(
      'Split',
      [g.reshape(dz!, [many, width]), [2 * hidden, hidden]],
      { axis: 1 },
      { outputs: 2 },
    );
    const reset = g.Slice(flat(gates), [hidden], [2 * hidden], [1]);
    const dLinear = bias ? g.Mul(dFresh, reset) : undefined;
    return {
      z: dz!,
      gatesR: g.Gemm(dGates, flat(beforeH), { transA: 1 }),
      freshR: g.Gemm(dLinear ?? dFresh, dLinear ? flat(beforeH) : flat(linear), { transA: 1 }),
      h: dh!,
      b: dLinear && g.sumTo(dLinear, bias!.dims),
    };
  },
  couple: 'none',
  cost: ({ z, gatesR, freshR }) => ({ macs: z.dims[0]! * z.dims[1]! * (count(gatesR.dims) + count(freshR.dims)) }),
  quant: 'float',
  samples: [],
});
