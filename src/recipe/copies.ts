/** Images beside changed copies of themselves: more to learn from, and fixed, so that a teacher's answers can be recorded. */

import { augment, type Dataset, flip, type ImageTransform, shiftCrop } from '../data/index.ts';
import type { TypedArray } from '../graph/dtype.ts';

/** Changes that keep an image's class: of drawings and letters only the place, of photographs the side, too. */
export const changes: Readonly<Record<'shift' | 'flip', (side: number) => readonly ImageTransform[]>> = {
  shift: (side) => [shiftCrop(Math.max(1, Math.round(side / 14)))],
  flip: (side) => [flip(), shiftCrop(Math.max(1, Math.round(side / 10)))],
};
export type ChangeName = keyof typeof changes;

/** The column that holds images, and what this change means for their size. */
export function transformsFor({ inputs }: Dataset, change: ChangeName) {
  const [column] = Object.entries(inputs).find(([, { dims }]) => dims.length === 3) ?? [];
  const side = column === undefined ? 0 : inputs[column]!.dims[1]!;
  return { column, transforms: changes[change](side) };
}

/**
 * The samples as they are, then `copies` times changed: sample i of N stands at i, N + i, 2N + i, …
 *
 * Throws   data/augment for samples that are no images [C, H, W].
 */
export function withCopies(data: Dataset, change: ChangeName, copies: number, seed = 0): Dataset {
  const { column, transforms } = transformsFor(data, change);
  const changed = augment(data, transforms, { seed, ...(column !== undefined && { column }) });
  const parts = [data, ...Array.from({ length: copies }, (_, i) => changed.atEpoch!(i + 1))];
  const { size } = data;
  return {
    ...data,
    size: size * parts.length,
    fill(name, indices, into) {
      const width = into.length / indices.length;
      for (let i = 0; i < indices.length; i++) {
        const at = indices[i]!;
        parts[Math.floor(at / size)]!.fill(name, [at % size], into.subarray(i * width, (i + 1) * width) as TypedArray);
      }
    },
    ...(data.prepare && {
      prepare: (indices: ArrayLike<number>) => data.prepare!(Array.from(indices, (at) => at % size)),
    }),
  };
}
