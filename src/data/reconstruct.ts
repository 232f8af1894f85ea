/** A data set whose targets are its own inputs: what an autoencoder learns. */

import { type Dataset, LABELS } from './dataset.ts';

/** The set with its only float input as labels; augmented inputs are rebuilt as they were before. */
export function reconstruct(dataset: Dataset): Dataset {
  const [name, column] = Object.entries(dataset.inputs)[0]!;
  return {
    ...dataset,
    task: 'regression',
    labels: { dtype: 'float32', dims: column.dims },
    fill: (key, indices, into) => dataset.fill(key === LABELS ? name : key, indices, into),
    ...(dataset.atEpoch && {
      atEpoch: (epoch: number) => {
        const changed = dataset.atEpoch!(epoch);
        return {
          ...reconstruct(changed),
          fill: (key, indices, into) =>
            key === LABELS ? dataset.fill(name, indices, into) : changed.fill(key, indices, into),
        } satisfies Dataset;
      },
    }),
  };
}
