/**
 * The files that transformers.js looks for, by its own names: one model in several forms.
 *
 *   onnx/model.onnx   onnx/model_fp16.onnx   onnx/model_quantized.onnx   onnx/model_q4.onnx   …
 *
 * Inputs and outputs stay float32 in all of them. Source   transformers.js 4, src/utils/dtypes.js (names and suffixes).
 */

import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';
import { quantizeDynamic, type WeightReport } from './dynamic.ts';
import { toHalfStorage } from './half.ts';
import type { MatrixOptions } from './matrix-layers.ts';
import { toNormalFloat } from './normal-float.ts';
import { quantizeWeights } from './weight-only.ts';

export interface DtypeOptions extends MatrixOptions {
  /** Weights that share a scale (q4, q4f16, bnb4). Default 32, bnb4 64. */
  block?: number;
}

export interface Dtype {
  readonly about: string;
  /** Behind the model's name. */
  readonly suffix: string;
  readonly run: (
    model: Model,
    options: DtypeOptions,
    lab: Lab,
  ) => Promise<{ model: Model; kept: WeightReport['kept'] }>;
}

const integers =
  (weights: 's8' | 'u8'): Dtype['run'] =>
  async (model, options, lab) => {
    const { model: written, report } = await quantizeDynamic(model, { ...options, weights }, lab);
    return { model: written, kept: report.kept };
  };

const half = (model: Model, { exclude = [] }: MatrixOptions): { model: Model; kept: WeightReport['kept'] } => {
  const { model: written, report } = toHalfStorage(model, { exclude });
  return { model: written, kept: report.kept };
};

export const dtypes = {
  fp32: { about: 'as it is', suffix: '', run: async (model) => ({ model, kept: [] }) },
  fp16: { about: 'weights stored in 16 bits', suffix: '_fp16', run: async (model, options) => half(model, options) },
  q8: { about: 'dynamic 8-bit integers, signed weights', suffix: '_quantized', run: integers('s8') },
  int8: { about: 'the same under the name of its weights', suffix: '_int8', run: integers('s8') },
  uint8: {
    about: 'dynamic 8-bit integers, unsigned weights, for engines before 1.24',
    suffix: '_uint8',
    run: integers('u8'),
  },
  q4: {
    about: 'weights of matrix products in blocks of 4 bits',
    suffix: '_q4',
    run: async (model, options, lab) => {
      const { model: written, report } = await quantizeWeights(model, options, lab);
      return { model: written, kept: report.kept };
    },
  },
  q4f16: {
    about: 'the same, all other weights stored in 16 bits',
    suffix: '_q4f16',
    run: async (model, options, lab) => {
      const { model: written, report } = await quantizeWeights(model, options, lab);
      return { model: half(written, options).model, kept: report.kept };
    },
  },
  bnb4: {
    about: 'weights of matrix products as NF4',
    suffix: '_bnb4',
    run: async (model, options) => {
      const { model: written, report } = toNormalFloat(model, options);
      return { model: written, kept: report.kept };
    },
  },
} as const satisfies Record<string, Dtype>;

export type DtypeName = keyof typeof dtypes;
