/** Plain stacks of 3×3 convolutions. */

import type { Model } from '../../graph/model.ts';
import { type Layer, sequential } from '../layer.ts';
import { batchNorm, classifier, conv2d, dense, dropout, flatten, maxPool2d, relu } from '../layers.ts';

export interface VggOptions {
  /** Filters of the convolutions of each stage; a 2×2 max-pool ends a stage. Default: VGG-11. */
  stages?: readonly (readonly number[])[];
  /** Units of the hidden dense layers. Default none (small images); [4096, 4096] is the original. */
  hidden?: readonly number[];
  /** Default true. */
  batchNorm?: boolean;
  classes?: number;
  /** Default [3, 32, 32]. */
  input?: readonly number[];
  seed?: number;
}

/** Output: logits. Simonyan and Zisserman 2014, arXiv:1409.1556. */
export const vgg = ({
  stages = [[64], [128], [256, 256], [512, 512], [512, 512]],
  hidden = [],
  batchNorm: hasNorm = true,
  classes = 10,
  input = [3, 32, 32],
  seed = 0,
}: VggOptions = {}): Model => {
  const conv = (filters: number): Layer[] => [
    conv2d(filters, 3, { pad: 1 }),
    ...(hasNorm ? [batchNorm()] : []),
    relu(),
  ];
  return sequential(
    [
      ...stages.flatMap((filters) => [...filters.flatMap(conv), maxPool2d(2)]),
      flatten(),
      ...hidden.flatMap((units) => [dense(units), relu(), dropout(0.5)]),
      classifier(classes),
    ],
    { input, seed, name: 'vgg' },
  );
};
