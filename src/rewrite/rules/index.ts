/** The table of rewrite rules. A new rule is one file here and one row. */

import type { Rule } from '../rule.ts';
import { activationAfterPool } from './activation-after-pool.ts';
import { attention } from './attention.ts';
import { batchNormToConv } from './batch-norm-to-conv.ts';
import { commonSubexpressions } from './common-subexpressions.ts';
import { constantToInitializer } from './constant-to-initializer.ts';
import { deadCode } from './dead-code.ts';
import { denseInPlace } from './dense-in-place.ts';
import { dropDropout } from './drop-dropout.ts';
import { dropIdentity } from './drop-identity.ts';
import { dropNoop } from './drop-noop.ts';
import { duplicateInitializers } from './duplicate-initializers.ts';
import { flattenChannelsLast } from './flatten-channels-last.ts';
import { foldBatchNorm } from './fold-batch-norm.ts';
import { foldBatchNormAhead } from './fold-batch-norm-ahead.ts';
import { foldConstantLayout } from './fold-constant-layout.ts';
import { foldKnownIntegers } from './fold-known-integers.ts';
import { foldScale } from './fold-scale.ts';
import { foldScaleAhead } from './fold-scale-ahead.ts';
import { gelu } from './gelu.ts';
import { gemmToMatmulAdd } from './gemm-to-matmul-add.ts';
import { hardSwish } from './hard-swish.ts';
import { hardSwishTimesSix } from './hard-swish-times-six.ts';
import { hardSwishToClip } from './hard-swish-to-clip.ts';
import { intoTable } from './into-table.ts';
import { layerNormalization } from './layer-normalization.ts';
import { layerNormalizationByMoments } from './layer-normalization-by-moments.ts';
import { matmulAddToGemm } from './matmul-add-to-gemm.ts';
import { mergeBranches } from './merge-branches.ts';
import { mergeConvs } from './merge-convs.ts';
import { mergeDense } from './merge-dense.ts';
import { mergeInterleaved } from './merge-interleaved.ts';
import { mergePad } from './merge-pad.ts';
import { mergeReshapes } from './merge-reshapes.ts';
import { mergeScales } from './merge-scales.ts';
import { mergeTransposes } from './merge-transposes.ts';
import { oneHotToGather } from './one-hot-to-gather.ts';
import { packedAttention } from './packed-attention.ts';
import { padToProjection } from './pad-to-projection.ts';
import { reduceBeforeTranspose } from './reduce-before-transpose.ts';
import { reduceMeanToGlobalAveragePool } from './reduce-mean-to-global-average-pool.ts';
import { reshapeByConstant } from './reshape-by-constant.ts';
import { rmsNormalization } from './rms-normalization.ts';
import { scaleAhead } from './scale-ahead.ts';
import { scaleIntoLayerNormalization } from './scale-into-layer-normalization.ts';
import { scaleThroughAttention } from './scale-through-attention.ts';
import { splitMaxPool } from './split-max-pool.ts';

/** Every rule, by name, in the order in which they are tried: first what clears the view, then what saves arithmetic. */
export const rules = {
  'constant-to-initializer': constantToInitializer,
  'drop-identity': dropIdentity,
  'drop-dropout': dropDropout,
  'drop-noop': dropNoop,
  'fold-known-integers': foldKnownIntegers,
  'fold-constant-layout': foldConstantLayout,
  'reshape-by-constant': reshapeByConstant,
  'merge-transposes': mergeTransposes,
  'reduce-before-transpose': reduceBeforeTranspose,
  'merge-reshapes': mergeReshapes,
  'common-subexpressions': commonSubexpressions,
  'duplicate-initializers': duplicateInitializers,
  gelu,
  'hard-swish': hardSwish,
  'layer-normalization': layerNormalization,
  'layer-normalization-by-moments': layerNormalizationByMoments,
  'scale-into-layer-normalization': scaleIntoLayerNormalization,
  'rms-normalization': rmsNormalization,
  'one-hot-to-gather': oneHotToGather,
  'into-table': intoTable,
  'matmul-add-to-gemm': matmulAddToGemm,
  'merge-pad': mergePad,
  'fold-batch-norm': foldBatchNorm,
  'fold-batch-norm-ahead': foldBatchNormAhead,
  'fold-scale': foldScale,
  'fold-scale-ahead': foldScaleAhead,
  'merge-scales': mergeScales,
  'dense-in-place': denseInPlace,
  'merge-dense': mergeDense,
  'merge-convs': mergeConvs,
  'merge-interleaved': mergeInterleaved,
  'merge-branches': mergeBranches,
  'activation-after-pool': activationAfterPool,
  'reduce-mean-to-global-average-pool': reduceMeanToGlobalAveragePool,
  'dead-code': deadCode,
  'split-max-pool': splitMaxPool,
  'scale-ahead': scaleAhead,
  'scale-through-attention': scaleThroughAttention,
  'pad-to-projection': padToProjection,
  'batch-norm-to-conv': batchNormToConv,
  'gemm-to-matmul-add': gemmToMatmulAdd,
  'hard-swish-to-clip': hardSwishToClip,
  'hard-swish-times-six': hardSwishTimesSix,
  'flatten-channels-last': flattenChannelsLast,
  attention,
  'packed-attention': packedAttention,
} as const satisfies Record<string, Rule>;

export type RuleName = keyof typeof rules;
