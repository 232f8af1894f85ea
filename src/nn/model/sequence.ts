/** Classifiers of sequences: of numbers [T, features], or of tokens [T] with a padding token. */

import type { Model } from '../../graph/model.ts';
import type { Value } from '../../ops/op.ts';
import { learnedPositions, sinusoidalPositions, transformerBlock } from '../attention.ts';
import { embedding, meanOverSteps } from '../branches.ts';
import { gaussian } from '../initializer.ts';
import { functional, type Making } from '../layer.ts';
import { classifier, dropout, projection } from '../layers.ts';
import { layerNorm } from '../norms.ts';
import { gru, lstm } from '../recurrent.ts';

export interface SequenceOptions {
  /** Steps per sequence. */
  readonly length: number;
  /** Numbers per step; leave it out for tokens. */
  readonly features?: number;
  /** Number of different tokens; the model's input is then int64. */
  readonly tokens?: number;
  /** The token that fills sequences up, which nobody reads. Default 0. */
  readonly padding?: number;
  readonly classes: number;
  /** Default 0. */
  readonly dropout?: number;
  readonly seed?: number;
}

/** The model's input, as steps [N, T, D]; for tokens also which of them count, 1 or 0 [N, T]. */
function stepsOf(
  x: Value,
  { tokens, padding = 0 }: SequenceOptions,
  width: number,
  make: Making,
): { steps: Value; counts?: Value } {
  if (tokens === undefined) return { steps: x };
  const { g } = make;
  const counts = g.Cast(g.Not(g.Equal(x, g.scalar(padding, 'int64'))), { to: 1 });
  return { steps: embedding(tokens, width, { init: gaussian(width ** -0.5) })(x, make), counts };
}

const inputOf = ({ length, features, tokens }: SequenceOptions) => ({
  x: tokens === undefined ? { dims: [length, features ?? 1] } : { dims: [length], dtype: 'int64' as const },
});

export interface LstmClassifierOptions extends SequenceOptions {
  /** Units of the recurrent layer. Default 128. */
  readonly hidden?: number;
  /** Numbers per token. Default 100. */
  readonly width?: number;
  /** Default 'lstm'. */
  readonly cell?: 'lstm' | 'gru';
  /** Default false. */
  readonly bidirectional?: boolean;
}

/** One recurrent layer, its last state, a dense layer. Output: logits [N, classes]. */
export const lstmClassifier = (options: LstmClassifierOptions): Model => {
  const {
    hidden = 128,
    width = 100,
    cell = 'lstm',
    bidirectional = false,
    classes,
    dropout: share = 0,
    seed = 0,
  } = options;
  return functional({ inputs: inputOf(options), seed, name: `${cell}Classifier` }, ({ x }, make) => {
    const { g } = make;
    const { steps, counts } = stepsOf(x!, options, width, make);
    // A sequence of nothing but padding still has one step.
    const lengths = counts && g.Cast(g.Max(g.ReduceSum(counts, [1], { keepdims: 0 }), 1), { to: 6 });
    const layer = (cell === 'lstm' ? lstm : gru)(hidden, {
      bidirectional,
      returns: 'last',
      ...(lengths && { lengths }),
    });
    const state = layer(steps, make);
    return { y: classifier(classes)(share > 0 ? dropout(share)(state, make) : state, make) };
  });
};

export interface TransformerEncoderOptions extends SequenceOptions {
  /** Numbers per step inside; steps of another number of features are projected. Default `features`, or 128. */
  readonly width?: number;
  /** Default 4. */
  readonly heads?: number;
  /** Blocks. Default 2. */
  readonly layers?: number;
  /** Units of the inner dense layers. Default 4 · width. */
  readonly hidden?: number;
  /** Default 'pre'. */
  readonly norm?: 'pre' | 'post';
  /** Default 'gelu'. */
  readonly activation?: 'relu' | 'gelu';
  /** Default 'sinusoidal'. */
  readonly positions?: 'sinusoidal' | 'learned' | 'none';
}

/** Transformer blocks, the mean over the steps that count, a dense layer. Output: logits [N, classes]. */
export const transformerEncoder = (options: TransformerEncoderOptions): Model => {
  const {
    features,
    width = features ?? 128,
    heads = 4,
    layers = 2,
    hidden,
    classes,
    dropout: share = 0,
    seed = 0,
  } = options;
  const { norm = 'pre', activation = 'gelu', positions = 'sinusoidal', length } = options;
  return functional({ inputs: inputOf(options), seed, name: 'transformerEncoder' }, ({ x }, make) => {
    const { g } = make;
    const { steps, counts } = stepsOf(x!, options, width, make);
    const placed = { sinusoidal: sinusoidalPositions(), learned: learnedPositions(), none: undefined }[positions];
    const inside = features !== undefined && features !== width ? projection('project', width)(steps, make) : steps;
    let value = placed ? placed(inside, make) : inside;
    const bias = counts && g.Reshape(g.Mul(g.Sub(1, counts), -1e9), [0, 1, 1, length]);
    for (let i = 0; i < layers; i++) {
      value = transformerBlock({
        heads,
        norm,
        activation,
        dropout: share,
        ...(hidden !== undefined && { hidden }),
        ...(bias && { bias }),
      })(value, make);
    }
    if (norm === 'pre') value = layerNorm()(value, make);
    if (!counts) return { y: classifier(classes)(meanOverSteps()(value, make), make) };
    const shown = g.Mul(value, g.Reshape(counts, [0, length, 1]));
    const many = g.Max(g.ReduceSum(counts, [1]), 1); // [N, 1]
    return { y: classifier(classes)(g.Div(g.ReduceSum(shown, [1], { keepdims: 0 }), many), make) };
  });
};
