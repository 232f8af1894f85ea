/** Muon: the momentum of each matrix is brought near the orthogonal matrix that it points to; all else learns by AdamW. */

import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import type { Rate } from '../schedule/schedule.ts';
import { addDecay, chain, descend, type Optimizer, rule } from './transform.ts';

export interface MuonOptions {
  /** Learning rate of the matrices. Default 0.02. */
  lr?: Rate;
  /** Share of the momentum that stays. Default 0.95. */
  momentum?: number;
  /** Looks ahead along the momentum. Default true. */
  nesterov?: boolean;
  /** Decoupled weight decay. Default 0. */
  decay?: number;
  /** Newton-Schulz iterations. Default 5. */
  iterations?: number;
  /** Learning rate of all that is no matrix (biases, scales), as a share of `lr`. Default 0.05. */
  others?: number;
}

/** Coefficients of the quintic: the steepest at 0 whose iterates stay near 1. */
const [A, B, C] = [3.4445, -4.775, 2.0315];

/**
 * m := μ m + (1 − μ) g,   u = (1 − μ) g + μ m,   w := w − lr · √max(1, rows / columns) · NS(u)
 *
 *   NS   X₀ = u / ‖u‖,   Xₖ₊₁ = a X + (b X Xᵀ + c (X Xᵀ)²) X
 *
 * Vectors, and groups with `trust: false`, take AdamW steps of lr · `others`. State: two slots.
 * Source   Jordan et al. 2024, "Muon"; PyTorch's torch.optim.Muon, without its rounding to bfloat16.
 */
export const muon = ({
  lr = 0.02,
  momentum = 0.95,
  nesterov = true,
  decay = 0,
  iterations = 5,
  others = 0.05,
}: MuonOptions = {}): Optimizer =>
  chain(
    {
      ...rule('muon', { m: 0, v: 0 }, (e, { u, m, v }) => {
        const matrix = e.add(e.mul(momentum, m), e.mul(1 - momentum, u));
        const ahead = nesterov ? e.add(e.mul(1 - momentum, u), e.mul(momentum, matrix)) : matrix;
        const mean = e.add(e.mul(0.9, m), e.mul(0.1, u));
        const square = e.add(e.mul(0.999, v), e.mul(0.001, e.square(u)));
        const root = e.add(e.sqrt(e.div(square, e.sub(1, e.pow(0.999, e.t)))), 1e-8);
        const adam = e.mul(others, e.div(e.div(mean, e.sub(1, e.pow(0.9, e.t))), root));
        const either = (a: typeof u, b: typeof u): typeof u => e.ifGreater(e.isMatrix, 0, a, b);
        return { m: either(matrix, mean), v: square, u: either(ahead, adam) };
      }),
      matrix: { state: () => ({}), body: (g, { u }) => ({ u: orthogonal(g, u!, iterations) }) },
    },
    addDecay(decay),
    descend(lr),
  );

/** Near the closest orthogonal matrix, times √max(1, rows / columns). */
function orthogonal(g: Builder, u: StaticValue, iterations: number): StaticValue {
  const [rows, columns] = u.dims as [number, number];
  const norm = g.Sqrt(g.ReduceSum(g.Mul(u, u), [0, 1]));
  const isTall = rows > columns;
  let x = g.Div(isTall ? g.Transpose(u, { perm: [1, 0] }) : u, g.Max(norm, 1e-7));
  for (let i = 0; i < iterations; i++) {
    const gram = g.MatMul(x, g.Transpose(x, { perm: [1, 0] }));
    const both = g.Add(g.Mul(gram, B), g.Mul(g.MatMul(gram, gram), C));
    x = g.Add(g.Mul(x, A), g.MatMul(both, x));
  }
  return g.Mul(isTall ? g.Transpose(x, { perm: [1, 0] }) : x, Math.sqrt(Math.max(1, rows / columns)));
}
