/** Images that look a little different every epoch: transforms at fill time, a pure function of seed, epoch and sample. */

import { PareError } from '../base/error.ts';
import { type Random, random } from '../base/random.ts';
import type { Dataset } from './dataset.ts';
import { changedEachEpoch } from './each-epoch.ts';

/** Where an image's numbers lie: [channels, height, width]. */
export interface ImageSize {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Writes a changed image into `out`; `image` stays. Values are as the network sees them, so 0 is about the mean. */
export type ImageTransform = (image: Float32Array, size: ImageSize, random: Random, out: Float32Array) => void;

export interface AugmentOptions {
  /** Default 0. */
  readonly seed?: number;
  /** The column that holds the images, float32 [C, H, W]. Default: the only input. */
  readonly column?: string;
}

/**
 * The data set with its images changed by each transform in turn, afresh in every epoch of training.
 *
 * Use it for training only: what is validated or tested stays as it is.
 * Throws   data/augment when the column holds no images [C, H, W].
 *
 * @example
 * fit(model, augment(train, [shiftCrop(4), flip()]), { validation }, lab)
 */
export function augment(
  dataset: Dataset,
  transforms: readonly ImageTransform[],
  options: AugmentOptions = {},
): Dataset {
  const { seed = 0, column = Object.keys(dataset.inputs)[0]! } = options;
  const size = imageSize(dataset, column);
  const length = size.channels * size.height * size.width;
  const [one, two] = [new Float32Array(length), new Float32Array(length)];
  return changedEachEpoch(dataset, ({ name, indices, into }, _, epoch) => {
    if (name !== column) return;
    const images = into as Float32Array;
    for (let i = 0; i < indices.length; i++) {
      const own = images.subarray(i * length, (i + 1) * length);
      const draw = random(seed, `augment/${epoch}/${indices[i]}`);
      let [from, to] = [one, two];
      from.set(own);
      for (const transform of transforms) {
        transform(from, size, draw, to);
        [from, to] = [to, from];
      }
      own.set(from);
    }
  });
}

/** Throws data/augment unless the column holds float32 images. */
export function imageSize(dataset: Dataset, column: string): ImageSize {
  const { dtype, dims } = dataset.inputs[column] ?? {};
  const [channels, height, width] = dims ?? [];
  if (dtype === 'float32' && dims?.length === 3) return { channels: channels!, height: height!, width: width! };
  throw new PareError('data/augment', `The column "${column}" of "${dataset.name}" holds no images.`, {
    where: dataset.name,
    expected: 'float32 [channels, height, width]',
    got: dims ? `${dtype} [${dims.join(', ')}]` : Object.keys(dataset.inputs).join(', '),
  });
}
