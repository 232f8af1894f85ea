/** Adafactor: Adam's second moment as the product of a row and a column, so that a matrix costs the memory of two vectors. */

import type { Rate } from '../schedule/schedule.ts';
import { chain, type Optimizer, rule } from './transform.ts';

export interface AdafactorOptions {
  /** The largest step, relative to each parameter's size. Default 0.01. */
  lr?: Rate;
  /** The second moment keeps 1 − t^rateDecay of itself. Default −0.8. */
  rateDecay?: number;
  /** The least size that a parameter is taken to have. Default 1e-3. */
  least?: number;
  /** Root mean square that an update may have before it is scaled down. Default 1. */
  clip?: number;
  /** Decoupled weight decay. Default 0. */
  decay?: number;
}

/** Keeps the divisor from 0: float32's distance from 1 to the next number, squared where a square is meant. */
const EPS = 2 ** -23;

/**
 * r := b r + (1 − b) mean_columns(g²),   c := b c + (1 − b) mean_rows(g²),   b = 1 − t^rateDecay,   v = r cᵀ / mean(r)
 * u = g / √v,   w := w − max(least, rms(w)) · min(lr, 1 / √t) · u / max(1, rms(u) / clip)
 *
 * Vectors keep their whole second moment. No slot per weight: a matrix keeps rows + columns numbers.
 * Source   Shazeer and Stern 2018, arXiv:1804.04235; defaults as PyTorch's torch.optim.Adafactor.
 */
export const adafactor = ({
  lr = 0.01,
  rateDecay = -0.8,
  least = 1e-3,
  clip = 1,
  decay = 0,
}: AdafactorOptions = {}): Optimizer =>
  chain(
    {
      ...rule('adafactor', {}, (_, { u }) => ({ u })),
      matrix: {
        vectors: true,
        state: (rows, columns) =>
          rows === 1
            ? { v: { dims: [1, columns], start: 0 } }
            : { row: { dims: [rows, 1], start: 0 }, column: { dims: [1, columns], start: 0 } },
        body: (g, { u, t, v, row, column }) => {
          const share = g.Pow(t!, rateDecay);
          const squares = g.Mul(u!, u!);
          const follow = (old: typeof t, now: typeof t) => g.Add(old!, g.Mul(share, g.Sub(now!, old!)));
          if (v) {
            const next = follow(v, squares);
            return { v: next, u: g.Div(u!, g.Sqrt(g.Max(next, EPS * EPS))) };
          }
          const rows = follow(row, g.ReduceMean(squares, [1]));
          const columns = follow(column, g.ReduceMean(squares, [0]));
          const mean = g.Max(g.ReduceMean(rows, [0]), EPS);
          const estimate = g.Max(g.Div(g.MatMul(rows, columns), mean), EPS * EPS);
          return { row: rows, column: columns, u: g.Div(u!, g.Sqrt(estimate)) };
        },
      },
    },
    rule(
      'adafactor-step',
      {},
      (e, { u, w }) => {
        const count = e.sumEach(1);
        const rms = (x: typeof u) => e.sqrt(e.div(e.sumEach(e.square(x)), count));
        const size = e.mul(e.max(least, rms(w)), e.min(e.lr, e.div(1, e.sqrt(e.t))));
        const step = e.div(size, e.max(1, e.div(rms(u), clip)));
        const penalty = decay === 0 ? 0 : e.mul(e.mul(e.lr, e.mul(decay, e.groupDecay)), w);
        return { u: e.neg(e.add(e.mul(step, u), penalty)) };
      },
      { lr },
    ),
  );
