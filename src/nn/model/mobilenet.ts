/** MobileNetV2. */

import type { Model } from '../../graph/model.ts';
import { depthwiseConv2d } from '../convolutions.ts';
import { chainLayers, fixed, type Layer, sequential } from '../layer.ts';
import { batchNorm, classifier, conv2d, dropout, flatten, globalAveragePool, relu6, residual } from '../layers.ts';

/** Table 2 of the paper: expansion, channels, blocks, stride of the first. */
const STAGES = [
  [1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1],
] as const; // biome-ignore format: a table

/** The nearest multiple of 8, at most a tenth below. */
const round8 = (channels: number): number => {
  const near = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return near < 0.9 * channels ? near + 8 : near;
};

/**
 * Inverted residuals with linear bottlenecks: 3,504,872 trained parameters at its defaults. Output: logits.
 *
 * Source   Sandler et al. 2018, arXiv:1801.04381; rounding and dropout as torchvision.
 */
export const mobilenetV2 = ({
  classes = 1000,
  input = [3, 224, 224],
  width = 1,
  dropout: share = 0.2,
  seed = 0,
}: {
  classes?: number;
  input?: readonly number[];
  /** Factor on all channels. */
  width?: number;
  dropout?: number;
  seed?: number;
} = {}): Model => {
  const conv = (filters: number, kernel: number, stride: number): Layer =>
    chainLayers(conv2d(filters, kernel, { stride, pad: (kernel - 1) / 2, bias: false }), batchNorm(), relu6());
  const block =
    (expand: number, filters: number, stride: number): Layer =>
    (x, make) => {
      const channels = fixed(x.dims[1]);
      const inside = chainLayers(
        ...(expand === 1 ? [] : [conv(channels * expand, 1, 1)]),
        depthwiseConv2d(3, { stride, pad: 1, bias: false }),
        batchNorm(),
        relu6(),
        conv2d(filters, 1, { bias: false }),
        batchNorm(),
      );
      return (stride === 1 && channels === filters ? residual(inside) : inside)(x, make);
    };
  const stages = STAGES.flatMap(([expand, channels, count, stride]) =>
    Array.from({ length: count }, (_, i) => block(expand, round8(channels * width), i === 0 ? stride : 1)),
  );
  return sequential(
    [
      conv(round8(32 * width), 3, 2),
      ...stages,
      conv(round8(1280 * Math.max(1, width)), 1, 1),
      globalAveragePool(),
      flatten(),
      ...(share > 0 ? [dropout(share)] : []),
      classifier(classes),
    ],
    { input, seed, name: 'mobilenetV2' },
  );
};
