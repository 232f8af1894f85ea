/** Maker of rows for ops that are carried: shape and cost are known, everything else is protected. */

import { noMacs } from './answer.ts';
import { type AttrSpecs, type OpSpec, op, type Row } from './op.ts';

type Carried<S extends string, O extends string, A extends AttrSpecs> = Pick<
  OpSpec<S, O, A>,
  'inputs' | 'attrs' | 'shape'
> &
  Partial<OpSpec<S, O, A>>;

/** Gradient 'missing' (or what `more` says), no coupling, floats. */
export function carried<const S extends string, const A extends AttrSpecs, const O extends string = 'Y'>(
  type: string,
  more: Carried<S, O, A>,
): Row {
  return op<S, A, O>({
    grad: 'missing',
    couple: 'none',
    cost: noMacs,
    quant: 'float',
    samples: [],
    ...more,
    type,
  } as OpSpec<S, O, A>);
}
