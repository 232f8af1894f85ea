/** Element-wise arithmetic of two constants with numpy broadcasting. */

import { broadcast } from '../graph/dim.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { doubles, rounded } from './arithmetic.ts';

/** The constant a ∘ b in a's dtype, or undefined when they do not fit each other. */
export function combine(a: Tensor, b: Tensor, f: (a: number, b: number) => number): Tensor | undefined {
  const dims = broadcast(a.dims, b.dims) as number[] | undefined;
  if (!dims) return undefined;
  const [x, y] = [doubles(a), doubles(b)];
  const [atA, atB] = [places(a.dims, dims), places(b.dims, dims)];
  return rounded(
    a.dtype,
    dims,
    Float64Array.from({ length: sizeOf(dims) }, (_, i) => f(x[atA(i)]!, y[atB(i)]!)),
  );
}

/** Where element i of a tensor of `dims` is read in one of `from` that was stretched to it. */
function places(from: readonly number[], dims: readonly number[]): (i: number) => number {
  const lead = dims.length - from.length;
  return (i) => {
    let place = 0;
    let step = 1;
    let rest = i;
    for (let axis = dims.length - 1; axis >= lead; axis--) {
      const size = from[axis - lead]!;
      if (size !== 1) place += (rest % dims[axis]!) * step;
      step *= size;
      rest = Math.floor(rest / dims[axis]!);
    }
    return place;
  };
}
