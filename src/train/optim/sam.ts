/** SAM: the gradient is taken at the worst place nearby, which finds flat minima. */

import { chain, type Optimizer, rule } from './transform.ts';

export interface SamOptions {
  /** How far the worst place is looked for. Default 0.05. */
  rho?: number;
  /** Measures distance in units of each weight's size (ASAM); rho is then best about ten times as large. Default false. */
  adaptive?: boolean;
}

/**
 * First move: w := w + rho · g / ‖g‖. Then, with the gradient at that place, the inner optimiser steps from the old w.
 *
 *   adaptive      w := w + rho · w² g / ‖ |w| g ‖
 *
 * Two gradients a step: `if (running.probe()) …gradient again…; running.step()`. State: one more slot.
 * Source   Foret et al. 2021, arXiv:2010.01412; adaptive: Kwon et al. 2021, arXiv:2102.11600.
 */
export const sam = (inner: Optimizer, { rho = 0.05, adaptive = false }: SamOptions = {}): Optimizer =>
  chain(
    rule('sam', { from: 'w' }, (_, { from }) => ({ w: from }), {
      probe: (e, { u, w }) => {
        const size = adaptive ? e.abs(w) : e.constant(1);
        const scaled = e.mul(size, u);
        const factor = e.div(rho, e.add(e.sqrt(e.sumAll(e.square(scaled))), 1e-12));
        return { from: w, w: e.add(w, e.mul(factor, e.mul(size, scaled))) };
      },
    }),
    inner,
  );
