/** Circular and hyperbolic functions and their inverses. */

import { unary } from './element-wise.ts';
import { between, type Sample } from './sample.ts';

const inside = (low: number, high: number): readonly Sample[] => [{ X: between(low, high, [2, 3]) }];

export const Sin = unary('Sin', ({ X, dY }, _, g) => g.Mul(dY, g.Cos(X)));

export const Cos = unary('Cos', ({ X, dY }, _, g) => g.Neg(g.Mul(dY, g.Sin(X))));

// d tan x = 1 + tan² x
export const Tan = unary('Tan', ({ Y, dY }, _, g) => g.Mul(dY, g.Add(g.Mul(Y, Y), 1)), { samples: inside(-1.2, 1.2) });
export const Asin = unary('Asin', ({ X, dY }, _, g) => g.Div(dY, g.Sqrt(g.Sub(1, g.Mul(X, X)))), {
  samples: inside(-0.8, 0.8),
});
export const Acos = unary('Acos', ({ X, dY }, _, g) => g.Neg(g.Div(dY, g.Sqrt(g.Sub(1, g.Mul(X, X))))), {
  samples: inside(-0.8, 0.8),
});
export const Atan = unary('Atan', ({ X, dY }, _, g) => g.Div(dY, g.Add(g.Mul(X, X), 1)));
export const Sinh = unary('Sinh', ({ X, dY }, _, g) => g.Mul(dY, g.Cosh(X)));
export const Cosh = unary('Cosh', ({ X, dY }, _, g) => g.Mul(dY, g.Sinh(X)));
export const Asinh = unary('Asinh', ({ X, dY }, _, g) => g.Div(dY, g.Sqrt(g.Add(g.Mul(X, X), 1))));
export const Acosh = unary('Acosh', ({ X, dY }, _, g) => g.Div(dY, g.Sqrt(g.Sub(g.Mul(X, X), 1))), {
  samples: inside(1.4, 3),
});
export const Atanh = unary('Atanh', ({ X, dY }, _, g) => g.Div(dY, g.Sub(1, g.Mul(X, X))), {
  samples: inside(-0.7, 0.7),
});
