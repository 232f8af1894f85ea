import { given } from '../given.ts';
import { toNormalFloat } from '../normal-float.ts';
import type { Scheme } from './scheme.ts';

/** Weights on the sixteen values of NF4. */
export const bnb4Scheme: Scheme = {
  about: 'weights of matrix products in 4 bits, spaced as a normal distribution is (NF4); activations in floats',
  takes: ['block'],
  async run(model, { block, exclude }) {
    const { model: written, report } = toNormalFloat(model, given({ block, exclude }));
    return { model: written, scheme: report.scheme, quantized: report.quantized.length, kept: report.kept };
  },
};
