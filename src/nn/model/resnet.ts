/** Residual networks. */

import type { Model } from '../../graph/model.ts';
import { chainLayers, type Layer, sequential } from '../layer.ts';
import { batchNorm, classifier, conv2d, flatten, globalAveragePool, maxPool2d, relu, residual } from '../layers.ts';

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

const DEPTHS = {
  18: { counts: [2, 2, 2, 2], isBottleneck: false },
  34: { counts: [3, 4, 6, 3], isBottleneck: false },
  50: { counts: [3, 4, 6, 3], isBottleneck: true },
  101: { counts: [3, 4, 23, 3], isBottleneck: true },
} as const;

/**
 * The ImageNet ResNet: 11,689,512 trained parameters at depth 18, 25,557,032 at 50. Output: logits.
 *
 * Bottlenecks carry the stride in their 3×3 convolution, as torchvision's do. He et al. 2015, arXiv:1512.03385.
 */
export const resnet = ({
  depth = 18,
  classes = 1000,
  input = [3, 224, 224],
  seed = 0,
}: {
  depth?: keyof typeof DEPTHS;
  classes?: number;
  input?: readonly number[];
  seed?: number;
} = {}): Model => {
  const { counts, isBottleneck } = DEPTHS[depth];
  const convBn = (filters: number, kernel: number, stride = 1): Layer =>
    chainLayers(conv2d(filters, kernel, { stride, pad: (kernel - 1) / 2, bias: false }), batchNorm());
  const block = (filters: number, stride: number, isFirst: boolean): Layer => {
    const out = isBottleneck ? 4 * filters : filters;
    const inside = isBottleneck
      ? chainLayers(convBn(filters, 1), relu(), convBn(filters, 3, stride), relu(), convBn(out, 1))
      : chainLayers(convBn(filters, 3, stride), relu(), convBn(filters, 3));
    const changes = isFirst && (stride > 1 || isBottleneck);
    return chainLayers(residual(inside, changes ? convBn(out, 1, stride) : undefined), relu());
  };
  const stages = counts.flatMap((count, stage) =>
    Array.from({ length: count }, (_, i) => block(64 * 2 ** stage, stage > 0 && i === 0 ? 2 : 1, i === 0)),
  );
  return sequential(
    [
      convBn(64, 7, 2),
      relu(),
      maxPool2d(3, { stride: 2, pad: 1 }),
      ...stages,
      globalAveragePool(),
      flatten(),
      classifier(classes),
    ],
    { input, seed, name: `resnet${depth}` },
  );
};
