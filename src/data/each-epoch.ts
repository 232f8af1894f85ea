/** Data sets that are changed afresh in every epoch of training. */

import type { TypedArray } from '../graph/dtype.ts';
import type { Dataset } from './dataset.ts';

/** Changes samples of one column, in place: those of `indices` of `base`, as they are in an epoch. */
export type Change = (
  batch: { readonly name: string; readonly indices: ArrayLike<number>; readonly into: TypedArray },
  base: Dataset,
  epoch: number,
) => void;

/** The data set with what `change` makes of each batch. */
export function changedEachEpoch(dataset: Dataset, change: Change): Dataset {
  const at = (epoch: number): Dataset => {
    const base = dataset.atEpoch?.(epoch) ?? dataset;
    return {
      ...base,
      fill(name, indices, into) {
        base.fill(name, indices, into);
        change({ name, indices, into }, base, epoch);
      },
      atEpoch: at,
    };
  };
  return at(0);
}
