/**
 * Rotary position embedding: pairs of features turn by an angle that grows with the position.
 *
 *   (x₁, x₂) → (x₁ cos − x₂ sin, x₁ sin + x₂ cos);  pairs are the two halves, or neighbours when interleaved
 */

import { mergeHeads, splitHeads } from './attend.ts';
import type { Builder } from './builder.ts';
import { int, type StaticValue } from './op.ts';

export const rotaryAttrs = { interleaved: int(0), num_heads: int(0), rotary_embedding_dim: int(0) };

export interface Angles {
  /** [positions, half] with places [B, L], or [B, L, half] without. */
  readonly cos: StaticValue;
  readonly sin: StaticValue;
  readonly places: StaticValue | undefined;
}

/** X [B, H, L, D] or [B, L, H·D] with its first features turned. */
export function rotated(
  X: StaticValue,
  { cos, sin, places }: Angles,
  {
    interleaved,
    num_heads,
    rotary_embedding_dim,
  }: { interleaved: number; num_heads: number; rotary_embedding_dim: number },
  g: Builder,
): StaticValue {
  const flat = X.dims.length === 3;
  const x = flat ? splitHeads(X, num_heads, g) : X;
  const [batch, heads, length, depth] = x.dims as [number, number, number, number];
  const turned = rotary_embedding_dim || depth;
  const half = turned / 2;
  const perPlace = (cache: StaticValue): StaticValue =>
    g.reshape(places ? g.Gather(cache, places) : cache, [batch, 1, length, half]);
  const [c, s] = [perPlace(cos), perPlace(sin)];
  const part = turned === depth ? [x] : g.emit('Split', [x, [turned, depth - turned]], { axis: 3 }, { outputs: 2 });
  const pairs = g.reshape(part[0]!, [batch, heads, length, ...(interleaved ? [half, 2] : [2, half])]);
  const axis = interleaved ? 4 : 3;
  const halves = g.emit('Split', [pairs], { axis, num_outputs: 2 }, { outputs: 2 });
  const [a, b] = halves.map((one) => g.reshape(one, [batch, heads, length, half])) as [StaticValue, StaticValue];
  const place = (v: StaticValue): StaticValue =>
    g.reshape(v, [batch, heads, length, ...(interleaved ? [half, 1] : [1, half])]);
  const both = g.Concat(place(g.Sub(g.Mul(a, c), g.Mul(b, s))), place(g.Add(g.Mul(a, s), g.Mul(b, c))), { axis });
  const done = g.reshape(both, [batch, heads, length, turned]);
  const whole = part[1] ? g.Concat(done, part[1], { axis: 3 }) : done;
  return flat ? mergeHeads(whole, g) : whole;
}
