/** Shampoo: each matrix is preconditioned from both sides by the inverse fourth roots of its slopes' second moments. */

import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import type { Rate } from '../schedule/schedule.ts';
import { steps } from './sgd.ts';
import { addDecay, chain, type Optimizer, rule } from './transform.ts';

export interface ShampooOptions {
  /** Learning rate; steps have the length of the slopes, as SGD's. Default 0.1. */
  lr?: Rate;
  /** Share of the velocity that stays. Default 0.9. */
  momentum?: number;
  /** Share of the second moments that stays. Default 0.95. */
  keep?: number;
  /** Added to the second moments' diagonals, as a share of their mean. Default 1e-4. */
  eps?: number;
  /** Steps from one working out of the roots to the next. Default 10. */
  every?: number;
  /** Sides longer than this are left as they are. Default 1024. */
  most?: number;
  /** L2 penalty. Default 0. */
  decay?: number;
}

/** Newton iterations for a root; each about doubles the digits once it is near. */
const ITERATIONS = 30;

/**
 * L := β L + (1 − β) G Gᵀ,   R := β R + (1 − β) Gᵀ G,   U = L^(−1/4) G R^(−1/4) · ‖G‖ / ‖L^(−1/4) G R^(−1/4)‖, then SGD with momentum
 *
 * The roots are worked out every k-th step, from the first on. Vectors take plain SGD steps.
 * Source   Gupta et al. 2018, arXiv:1802.09568; grafting and coupled Newton iteration: Anil et al. 2020, arXiv:2002.09018.
 */
export const shampoo = ({
  lr = 0.1,
  momentum = 0.9,
  keep = 0.95,
  eps = 1e-4,
  every = 10,
  most = 1024,
  decay = 0,
}: ShampooOptions = {}): Optimizer =>
  chain(
    addDecay(decay),
    {
      ...rule('shampoo', {}, (_, { u }) => ({ u })),
      matrix: {
        isFresh: (t) => (t - 1) % every === 0,
        state: (rows, columns) =>
          Object.fromEntries(
            [
              ['left', rows],
              ['right', columns],
            ].flatMap(([side, size]) =>
              (size as number) > most
                ? []
                : [
                    [side, { dims: [size, size], start: 0 }],
                    [`${side}Root`, { dims: [size, size], start: 'identity' }],
                  ],
            ),
          ),
        body: (g, values, isFresh) => {
          const { u } = values;
          const turned = g.Transpose(u!, { perm: [1, 0] });
          const next: Record<string, StaticValue> = {};
          const side = (name: string, product: () => StaticValue): StaticValue | undefined => {
            const old = values[name];
            if (!old) return undefined;
            next[name] = g.Add(g.Mul(old, keep), g.Mul(product(), 1 - keep));
            if (!isFresh) return values[`${name}Root`]!;
            next[`${name}Root`] = inverseFourthRoot(g, next[name]!, eps);
            return next[`${name}Root`]!;
          };
          const left = side('left', () => g.MatMul(u!, turned));
          const right = side('right', () => g.MatMul(turned, u!));
          const half = left ? g.MatMul(left, u!) : u!;
          const whole = right ? g.MatMul(half, right) : half;
          const norm = (x: StaticValue): StaticValue => g.Sqrt(g.ReduceSum(g.Mul(x, x), [0, 1]));
          return { ...next, u: g.Mul(whole, g.Div(norm(u!), g.Max(norm(whole), 1e-30))) };
        },
      },
    },
    steps(lr, { momentum }),
  );

/**
 * (A + ε I)^(−1/4) of a symmetric matrix without negative eigenvalues, ε = eps · trace / n, by coupled Newton iteration:
 *
 *   z = 5 / (2 ‖A‖),  X₀ = z^(1/4) I,  M₀ = z A,   T = (5 I − M) / 4,  X := X T,  M := T⁴ M
 */
function inverseFourthRoot(g: Builder, matrix: StaticValue, eps: number): StaticValue {
  const n = matrix.dims[0]!;
  const one = g.EyeLike(matrix);
  const trace = g.ReduceSum(g.Mul(matrix, one), [0, 1]);
  const ridged = g.Add(matrix, g.Mul(one, g.Add(g.Mul(trace, eps / n), 1e-30)));
  const size = g.Sqrt(g.ReduceSum(g.Mul(ridged, ridged), [0, 1]));
  const z = g.Div(2.5, size);
  let x = g.Mul(one, g.Pow(z, 0.25));
  let m = g.Mul(ridged, z);
  for (let i = 0; i < ITERATIONS; i++) {
    const turn = g.Mul(g.Sub(g.Mul(one, 5), m), 0.25);
    x = g.MatMul(x, turn);
    const twice = g.MatMul(turn, turn);
    m = g.MatMul(g.MatMul(twice, twice), m);
  }
  return x;
}
