/** The classic network for written digits. */

import type { Model } from '../../graph/model.ts';
import { sequential } from '../layer.ts';
import { averagePool2d, classifier, conv2d, dense, flatten, tanh } from '../layers.ts';

/**
 * LeNet-5 with every map connected: 61,706 parameters on 32 × 32. Output: logits.
 *
 * Source   LeCun et al. 1998, "Gradient-based learning applied to document recognition".
 */
export const lenet = ({
  classes = 10,
  input = [1, 32, 32],
  seed = 0,
}: {
  classes?: number;
  input?: readonly number[];
  seed?: number;
} = {}): Model =>
  sequential(
    [
      ...[6, 16].flatMap((filters) => [conv2d(filters, 5), tanh(), averagePool2d(2)]),
      flatten(),
      dense(120),
      tanh(),
      dense(84),
      tanh(),
      classifier(classes),
    ],
    { input, seed, name: 'lenet' },
  );
