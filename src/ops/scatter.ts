/** Writing elements to their places. */

import { noMacs, zerosOf } from './answer.ts';
import { int, op, text } from './op.ts';
import { exactly } from './sample.ts';

export const ScatterElements = op({
  type: 'ScatterElements',
  inputs: ['X', 'indices', 'updates'],
  attrs: { axis: int(0), reduction: text('none') },
  shape: ({ X }) => X.dims,
  grad: ({ indices, dY }, { axis, reduction }, g) => {
    const updates = g.GatherElements(dY, indices, { axis });
    if (reduction === 'add') return { X: dY, updates };
    return { X: g.ScatterElements(dY, indices, zerosOf(indices.dims, g), { axis }), updates };
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [
    { X: [3, 3], indices: exactly('int64', [2, 3], [0, 1, 2, 2, 0, 1]), updates: [2, 3], attrs: { axis: 0 } },
    {
      X: [2, 5],
      indices: exactly('int64', [2, 2], [0, 0, 3, 1]),
      updates: [2, 2],
      attrs: { axis: 1, reduction: 'add' },
    },
  ],
});
