/** The reference network: conv 32-64-128 (3×3, valid), each ReLU and 2×2 max-pool; dense 512 ReLU; dense classes; softmax. */

import type { Model } from '../../graph/model.ts';
import { sequential } from '../layer.ts';
import { classifier, conv2d, dense, flatten, maxPool2d, relu, softmax } from '../layers.ts';

export interface SeedCnnOptions {
  /** Channels, height and width of one image. Default [3, 224, 224]. */
  input?: readonly [number, number, number];
  /** Default 1000. */
  classes?: number;
  /** Filters of the three convolutions. Default [32, 64, 128]. */
  filters?: readonly [number, number, number];
  /** Units of the hidden dense layer. Default 512. */
  units?: number;
  /** Default 0. */
  seed?: number;
}

/**
 * The reference network. At its defaults it has 44,909,096 parameters.
 *
 * Shapes   x [N, C, H, W] → y [N, classes], probabilities. H and W from 22 up.
 */
export const seedCnn = ({
  input = [3, 224, 224],
  classes = 1000,
  filters = [32, 64, 128],
  units = 512,
  seed = 0,
}: SeedCnnOptions = {}): Model =>
  sequential(
    [
      ...filters.flatMap((count) => [conv2d(count, 3), relu(), maxPool2d(2)]),
      flatten(),
      dense(units),
      relu(),
      classifier(classes),
      softmax(),
    ],
    { input, seed, name: 'seedCnn' },
  );
