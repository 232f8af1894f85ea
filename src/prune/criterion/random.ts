/** Chance: the baseline that every other criterion has to beat. */

import type { Criterion } from './criterion.ts';

export const randomly: Criterion = {
  name: 'random',
  about: 'by chance, seeded: the baseline',
  needs: [],
  score: ({ units, random }) => Float64Array.from({ length: units }, () => random.uniform()),
};
