/** Squared near the target, straight far from it: outliers pull with a bounded force. */

import { meanOfAll } from './binary-cross-entropy.ts';
import type { Loss } from './loss.ts';

export interface HuberOptions {
  /** Where the square becomes a line, in units of the output. Default 1. */
  delta?: number;
}

/**
 * mean( c · (|d| − c / 2) ), d = y − t, c = min(|d|, δ): d² / 2 inside δ, δ · (|d| − δ / 2) outside.
 *
 * Shapes   output y [N, ...] against labels t [N, ...] float32.
 * Source   Huber 1964, "Robust estimation of a location parameter".
 */
export const huber =
  ({ delta = 1 }: HuberOptions = {}): Loss =>
  (g, { output, column }) => {
    const size = g.Abs(g.Sub(output, column('labels', 'float32', output.dims.slice(1))));
    const near = g.Min(size, delta);
    return meanOfAll(g.Mul(near, g.Sub(size, g.Mul(near, 0.5))), g);
  };
