/** How loud a channel is on data: mean |x| of what its readers see. Needs data, no labels. */

import type { Criterion } from './criterion.ts';

export const activationMean: Criterion = {
  name: 'activation-mean',
  about: 'mean |x| of the channel on data; no labels needed',
  needs: ['activation'],
  accepts: ({ role, dims }) => role === 'in' && dims.length > 1,
  score: ({ activation }) => Float64Array.from(activation.mean),
};
