/** Residual networks for small images. */

import type { Model } from '../../graph/model.ts';
import { chainLayers, type Layer, sequential } from '../layer.ts';
import { batchNorm, classifier, conv2d, flatten, globalAveragePool, relu, residual } from '../layers.ts';

/**
 * The CIFAR ResNet of depth 6n + 2: three stages of n basic blocks with 16, 32 and 64 channels; projections (1×1, stride 2) where
 * the size changes. He et al. 2015, arXiv:1512.03385, section 4.2. Output: logits.
 */
export const resnetCifar = ({
  depth = 20,
  classes = 10,
  input = [3, 32, 32],
  width = 16,
  seed = 0,
}: {
  depth?: number;
  classes?: number;
  input?: readonly number[];
  width?: number;
  seed?: number;
} = {}): Model => {
  const blocks = Math.floor((depth - 2) / 6);
  const convBn = (filters: number, stride: number, kernel = 3): Layer =>
    chainLayers(conv2d(filters, kernel, { stride, pad: (kernel - 1) / 2, bias: false }), batchNorm());
  const block = (filters: number, stride: number): Layer =>
    chainLayers(
      residual(
        chainLayers(convBn(filters, stride), relu(), convBn(filters, 1)),
        stride > 1 ? convBn(filters, stride, 1) : undefined,
      ),
      relu(),
    );
  const stages = [width, 2 * width, 4 * width].flatMap((filters, stage) =>
    Array.from({ length: blocks }, (_, i) => block(filters, stage > 0 && i === 0 ? 2 : 1)),
  );
  return sequential([convBn(width, 1), relu(), ...stages, globalAveragePool(), flatten(), classifier(classes)], {
    input,
    seed,
    name: `resnet${depth}`,
  });
};
