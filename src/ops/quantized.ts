/** What integer kernels mean: a float op between integers that are taken for floats, and a result that is rounded. */

import { factsOf } from '../graph/dtype.ts';
import { floats, tensor } from '../graph/tensor.ts';
import type { Builder } from './builder.ts';
import { carried } from './carried.ts';
import type { AttrSpecs, OpSpec, Row, StaticValue } from './op.ts';
import { exactly } from './sample.ts';

type Kernel<S extends string, O extends string, A extends AttrSpecs> = Pick<
  OpSpec<S, O, A>,
  'inputs' | 'attrs' | 'shape'
> &
  Partial<OpSpec<S, O, A>> & { readonly decompose: NonNullable<OpSpec<S, O, A>['decompose']> };

/** A row of an integer kernel: carried, and opened where a slope is asked for. `decompose` reads no dimension, ranks only. */
export const kernel = <const S extends string, const A extends AttrSpecs, const O extends string = 'Y'>(
  type: string,
  more: Kernel<S, O, A>,
): Row => carried<S, A, O>(type, { ...more, isQuantized: true });

/** An integer tensor as the numbers it stands for; `axis` is that of a scale per channel. */
export const real = (
  x: StaticValue,
  scale: StaticValue,
  zero: StaticValue | undefined,
  g: Builder,
  axis = 0,
): StaticValue => g.DequantizeLinear(x, scale, zero, { axis });

/** Numbers on the grid of an integer result; without a zero point in the integers of `like`. */
export const stored = (
  y: StaticValue,
  scale: StaticValue,
  zero: StaticValue | undefined,
  like: StaticValue,
  g: Builder,
): StaticValue[] => [g.QuantizeLinear(y, scale, zero, { ...(!zero && { output_dtype: factsOf(like.dtype).code }) })];

/** The step of a sum of products: that of one factor times that of the other, a constant where both are. */
export function productScale(a: StaticValue, b: StaticValue, g: Builder): StaticValue {
  if (!a.constant || !b.constant || a.dtype !== 'float32') return g.Mul(a, b);
  const [x, y] = [floats(a.constant), floats(b.constant)];
  const [wide, dims] = x.length > y.length ? [x, a.dims] : [y, b.dims];
  const values = wide.map((_, i) => x[x.length === 1 ? 0 : i]! * y[y.length === 1 ? 0 : i]!);
  return g.constant(tensor('float32', dims, values), 'scale');
}

/** A small operand with its grid and that of the result, for samples. */
export const gridded = {
  X: exactly('uint8', [1, 2, 2, 2], [130, 2, 30, 44, 250, 6, 77, 128]),
  x_scale: exactly('float32', [], [0.05]),
  x_zero: exactly('uint8', [], [120]),
  y_scale: exactly('float32', [], [0.03]),
  y_zero: exactly('uint8', [], [100]),
} as const;
