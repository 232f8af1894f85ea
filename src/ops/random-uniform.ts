/** Random numbers inside a graph: a hash of place, step and seed, so that every run of a step draws the same. */

import { tensor } from '../graph/tensor.ts';
import type { Builder } from './builder.ts';
import type { StaticValue } from './op.ts';

/** The graph input that carries the number of the training step, made when first asked for. */
export const STEP = 'pare_step';

/**
 * Uniform numbers in [0, 1) that depend on the element's place, the step and a seed, by 32-bit integer hashing
 * (xor-shift and multiply, three rounds).
 */
export function randomUniform(dims: readonly number[], seed: number, g: Builder): StaticValue {
  const count = dims.reduce((n, dim) => n * dim, 1);
  const places = g.constant(
    tensor(
      'uint32',
      [count],
      Uint32Array.from({ length: count }, (_, i) => i),
    ),
    'places',
  );
  const step = g.has(STEP) ? g.of(STEP) : g.input(STEP, 'uint32', []);
  let h: StaticValue = g.Add(places, g.Mul(g.Add(step, Math.imul(seed + 1, 0x9e3779b9) >>> 0), 0x85ebca6b));
  const mix = (x: StaticValue, shift: number): StaticValue =>
    g.BitwiseXor(x, g.BitShift(x, shift, { direction: 'RIGHT' }));
  h = g.Mul(mix(h, 16), 0x7feb352d);
  h = g.Mul(mix(h, 15), 0x846ca68b);
  h = mix(h, 16);
  return g.reshape(g.Mul(g.Cast(g.BitShift(h, 8, { direction: 'RIGHT' }), { to: 1 }), 2 ** -24), dims);
}
