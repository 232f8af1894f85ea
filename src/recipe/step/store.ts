/** Weights in fewer bits, arithmetic in floats: bytes, at the float model's speed. */

import { storeNarrow } from '../../compress/index.ts';
import type { Model } from '../../graph/model.ts';
import { modernize } from '../../ops/modern.ts';
import { toHalfStorage } from '../../quantize/index.ts';
import { storeWeights } from '../../quantize/store.ts';
import { oneOf } from '../option.ts';
import { step } from '../step.ts';

/** How weights can be stored. */
const FORMS: Readonly<Record<'exact' | 'float16' | 'int8', (model: Model) => Model>> = {
  exact: (model) => storeNarrow(model).model,
  float16: (model) => toHalfStorage(model).model,
  int8: (model) => storeWeights(modernize(model)),
};

export const store = step({
  about: 'store weights in fewer bits and compute in floats',
  options: {
    as: oneOf(FORMS, 'int8 (a scale per channel), float16, or exact: float16 where that loses nothing', 'int8'),
  },
  needsSamples: false,
  run: async (model, { as }) => ({ model: FORMS[as](model) }),
});
