/** The determinant of square matrices along the last two axes. */

import type { Builder } from './builder.ts';
import { carried } from './carried.ts';
import type { StaticValue } from './op.ts';

/** Wider matrices have too many minors. */
const WIDEST = 6;

export const Det = carried('Det', {
  inputs: ['X'],
  attrs: {},
  shape: ({ X }) => X.dims.slice(0, -2),
  grad: 'missing', // of matrices wider than 6
  // Laplace's expansion from the last row upwards: each minor of the rows below is worked out once.
  decompose: ({ X }, _, g) => {
    const width = X.dims.at(-1)!;
    if (width > WIDEST) return undefined;
    const lead = X.dims.slice(0, -2);
    const flat = g.reshape(X, [...lead, width * width]);
    const elements = g.emit(
      'Split',
      [flat],
      { axis: lead.length, num_outputs: width * width },
      { outputs: width * width },
    );
    const known = new Map<number, StaticValue>();
    return [g.reshape(minor(width, (1 << width) - 1, elements, known, g), lead)];
  },
  samples: [{ X: [2, 3, 3] }, { X: [1, 1] }, { X: [4, 4] }],
});

/** The determinant of the last rows in the columns of this set, as many as there are columns. */
function minor(
  width: number,
  columns: number,
  elements: readonly StaticValue[],
  known: Map<number, StaticValue>,
  g: Builder,
): StaticValue {
  const found = known.get(columns);
  if (found) return found;
  const list = Array.from({ length: width }, (_, i) => i).filter((i) => columns & (1 << i));
  const row = width - list.length;
  const terms = list.map((column, i) => {
    const element = elements[row * width + column]!;
    const term =
      list.length === 1 ? element : g.Mul(element, minor(width, columns & ~(1 << column), elements, known, g));
    return i % 2 === 0 ? term : g.Neg(term);
  });
  const made = terms.reduce((a, b) => g.Add(a, b));
  known.set(columns, made);
  return made;
}
