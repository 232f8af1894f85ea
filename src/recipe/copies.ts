/** Images beside changed copies of themselves: more to learn from, and fixed, so that a teacher's answers can be recorded. */

import { augment, blend, type Dataset, flip, type ImageTransform, shiftCrop } from '../data/index.ts';
import type { TypedArray } from '../graph/dtype.ts';

/** The column that holds images, changed afresh in every epoch. */
const images =
  (transforms: (side: number) => readonly ImageTransform[]) =>
  (data: Dataset, seed: number): Dataset => {
    const [column] = Object.entries(data.inputs).find(([, { dims }]) => dims.length === 3) ?? [];
    const side = column === undefined ? 0 : data.inputs[column]!.dims[1]!;
    return augment(data, transforms(side), { seed, ...(column !== undefined && { column }) });
  };

/** Changes that keep an answer: of drawings and letters only the place, of photographs the side, too; of what is no image, a part of another sample. */
export const changes = {
  shift: images((side) => [shiftCrop(Math.max(1, Math.round(side / 14)))]),
  flip: images((side) => [flip(), shiftCrop(Math.max(1, Math.round(side / 10)))]),
  blend: (data: Dataset, seed: number): Dataset => blend(data, { seed }),
} as const;
export type ChangeName = keyof typeof changes;

/**
 * The samples as they are, then `copies` times changed: sample i of N stands at i, N + i, 2N + i, …
 *
 * Throws   data/augment for samples that are no images [C, H, W] where images are to change.
 */
export function withCopies(data: Dataset, change: ChangeName, copies: number, seed = 0): Dataset {
  const changed = changes[change](data, seed);
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
