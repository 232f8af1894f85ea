/** Brings a model into the form that quantises best: batch norms and scales folded, constants in the open. */

import { removeDead } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { type RuleName, rewrite } from '../rewrite/index.ts';

const RULES = [
  'layer-normalization',
  'scale-into-layer-normalization',
  'gelu',
  'constant-to-initializer',
  'drop-identity',
  'drop-dropout',
  'drop-noop',
  'fold-known-integers',
  'fold-constant-layout',
  'merge-transposes',
  'reduce-before-transpose',
  'merge-pad',
  'fold-batch-norm',
  'fold-batch-norm-ahead',
  'fold-scale',
  'fold-scale-ahead',
  'matmul-add-to-gemm',
  'reduce-mean-to-global-average-pool',
  'merge-reshapes',
  'split-max-pool',
] as const satisfies readonly RuleName[];

/** Activations in the form in which integers pass through them. */
const FOR_INTEGERS = [
  ...RULES,
  'batch-norm-to-conv',
  'hard-swish-to-clip',
  'flatten-channels-last',
] as const satisfies readonly RuleName[];

/** The same function in the form whose activations and weights quantise best; it speaks the modern opset. */
export const prepare = (model: Model): Model => prepareBy(FOR_INTEGERS, model);

/** The same, where activations stay in floats. */
export const prepareWeights = (model: Model): Model => prepareBy(RULES, model);

/** What stayed in floats after all, in the form that is fastest there: activations put together again, slices of the image taken into the first layer. */
export const restore = (model: Model): Model =>
  rewrite(model, ['hard-swish', 'hard-swish-times-six', 'fold-scale-ahead', 'merge-interleaved']).model;

function prepareBy(names: readonly RuleName[], model: Model): Model {
  const prepared = rewrite(model, names).model;
  // What a file states of inner values may be wrong (a batch of 1 where the input says N), and the engine would trust it.
  return { ...prepared, graph: { ...removeDead(prepared.graph), values: new Map() } };
}
