/** The vision transformer. */

import type { Model } from '../../graph/model.ts';
import { learnedPositions, transformerBlock } from '../attention.ts';
import { meanOverSteps, permute, reshape } from '../branches.ts';
import { constant, glorotUniform } from '../initializer.ts';
import { chainLayers, fixed, type Layer, sequential } from '../layer.ts';
import { classifier, conv2d } from '../layers.ts';
import { layerNorm } from '../norms.ts';

export interface VitOptions {
  /** Side of a patch, in pixels. Default 16. */
  patch?: number;
  /** Default 768 (ViT-B). */
  width?: number;
  /** Default 12. */
  heads?: number;
  /** Default 12. */
  layers?: number;
  /** Default 4 · width. */
  hidden?: number;
  /** What the classifier reads: a trained token's state, or the mean of all. Default 'token'. */
  pool?: 'token' | 'mean';
  dropout?: number;
  classes?: number;
  /** Default [3, 224, 224]. */
  input?: readonly number[];
  seed?: number;
}

/** Patches as steps of a transformer: 86,567,656 parameters at its defaults. Output: logits. Dosovitskiy et al. 2021, arXiv:2010.11929. */
export const vit = ({
  patch = 16,
  width = 768,
  heads = 12,
  layers = 12,
  hidden = 4 * width,
  pool = 'token',
  dropout = 0,
  classes = 1000,
  input = [3, 224, 224],
  seed = 0,
}: VitOptions = {}): Model => {
  const patches = input.slice(1).reduce((n, side) => n * Math.floor(side / patch), 1);
  return sequential(
    [
      conv2d(width, patch, { stride: patch, init: glorotUniform }),
      reshape([width, patches]),
      permute(2, 1), // [N, patches, width]
      ...(pool === 'token' ? [withToken] : []),
      learnedPositions(),
      ...Array.from({ length: layers }, () => transformerBlock({ heads, hidden, dropout })),
      layerNorm({ epsilon: 1e-6 }),
      ...(pool === 'token' ? [firstStep] : [meanOverSteps()]),
      classifier(classes),
    ],
    { input, seed, name: 'vit' },
  );
};

/** [N, T, D] → [N, T + 1, D]: a trained vector in front of every sequence. */
const withToken: Layer = (x, { g, weight }) => {
  const width = fixed(x.dims[2]);
  const token = weight('token.weight', [1, 1, width], constant(0));
  const samples = g.Slice(g.Shape(x), [0], [1], [0]);
  return g.Concat(g.Expand(token, g.Concat(samples, [1, width], { axis: 0 })), x, { axis: 1 });
};

/** [N, T, D] → [N, D]. */
const firstStep: Layer = chainLayers((x, { g }) => g.Gather(x, g.scalar(0, 'int64'), { axis: 1 }));
