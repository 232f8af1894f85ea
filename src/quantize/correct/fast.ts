import type { Correction } from './correction.ts';

/** From the means of what each layer reads in the float network, which calibration saw. */
export const fast: Correction = {
  about: 'from the means of what each layer reads in the float network',
  run: async ({ calibrated: { inputMeans } }) => (inputMeans ? { inputMeans } : {}),
};
