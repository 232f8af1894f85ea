/** Limits on the gradient, to stand in front of an optimiser. */

import { type Link, rule } from './link.ts';

/** Each number of the gradient stays in −limit … limit. NaN stays NaN. */
export const clipByValue = (limit: number): Link =>
  rule('clip-by-value', {}, (e, { u }) => ({ u: e.max(-limit, e.min(limit, u)) }));

/**
 * The whole gradient, as one vector, is no longer than `max`: u := u · min(1, max / (‖g‖₂ + 1e-6)).
 *
 * Source   Pascanu et al. 2013, arXiv:1211.5063; the 1e-6 as in PyTorch.
 */
export const clipByNorm = (max: number): Link =>
  rule('clip-by-norm', {}, (e, { u }) => {
    const norm = e.sqrt(e.sumAll(e.square(u)));
    return { u: e.mul(u, e.min(1, e.div(max, e.add(norm, 1e-6)))) };
  });

/**
 * The gradient of each parameter is no longer than `share` of the parameter itself: u := u · min(1, share · max(‖w‖, eps) / ‖g‖).
 *
 * The norms are of whole parameters; the paper's are of single output units.
 * Source   Brock et al. 2021, arXiv:2102.06171.
 */
export const clipAdaptively = (share = 0.01, { eps = 1e-3 } = {}): Link =>
  rule('clip-adaptively', {}, (e, { u, w }) => {
    const most = e.mul(share, e.max(e.sqrt(e.sumEach(e.square(w))), eps));
    const norm = e.max(e.sqrt(e.sumEach(e.square(u))), 1e-6);
    return { u: e.mul(u, e.min(1, e.div(most, norm))) };
  });
