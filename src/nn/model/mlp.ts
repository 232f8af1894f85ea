/** Dense layers with ReLU between them. */

import type { Model } from '../../graph/model.ts';
import { type Layer, sequential } from '../layer.ts';
import { classifier, dense, flatten, relu } from '../layers.ts';

/** Dense layers of these widths, ReLU between; the last gives logits. Input [N, ...input], flattened. */
export const mlp = ({
  input,
  units,
  classes,
  seed = 0,
}: {
  input: readonly number[];
  units: readonly number[];
  classes: number;
  seed?: number;
}): Model => {
  const hidden = units.flatMap((count): Layer[] => [dense(count), relu()]);
  return sequential([...(input.length > 1 ? [flatten()] : []), ...hidden, classifier(classes)], {
    input,
    seed,
    name: 'mlp',
  });
};
