/**
 * Scaled dot-product attention in primitives.
 *
 *   S = s · Q·Kᵀ;  S ← c · tanh(S / c) where capped;  Y = softmax(S + mask) · V          (the engine's own order)
 */

import type { Builder } from './builder.ts';
import type { StaticValue } from './op.ts';
import { exactly } from './sample.ts';

export interface Attending {
  /** [B, H, L, D] each; keys and values may have fewer heads, each shared by as many queries. */
  readonly q: StaticValue;
  readonly k: StaticValue;
  readonly v: StaticValue;
  /** Default 1/√D. */
  readonly scale?: number | undefined;
  /** Added to the scores; broadcasts to [B, H, Lq, Lk]. */
  readonly bias?: StaticValue | undefined;
  /** A query sees the keys up to its own place, `past` further on. */
  readonly isCausal?: boolean;
  readonly past?: number;
  /** 0 for none. */
  readonly softcap?: number;
  /** The score of a further key that every query sees and that has no value, per head: broadcasts to [B, H, Lq, 1]. */
  readonly sink?: StaticValue | undefined;
}

/** Far below any score, and still finite: a row that sees nothing stays a number. */
export const NEVER = -3.4e38;

export interface Attended {
  readonly Y: StaticValue;
  /** Scores after the product, the mask, the cap and the softmax. */
  readonly stages: readonly [StaticValue, StaticValue, StaticValue, StaticValue];
}

/** Y [B, H, Lq, Dv]. */
export function attend(
  { q, k, v, scale, bias, isCausal = false, past = 0, softcap = 0, sink }: Attending,
  g: Builder,
): Attended {
  const [, heads, queries, depth] = q.dims as [number, number, number, number];
  const keys = shared(k, heads, g);
  const factor = scale ?? 1 / Math.sqrt(depth);
  const product = g.MatMul(g.Mul(q, factor), g.Transpose(keys, { perm: [0, 1, 3, 2] }));
  const capped = softcap > 0 ? g.Mul(g.Tanh(g.Div(product, softcap)), softcap) : product;
  const seen = isCausal ? g.Add(capped, causal(queries, keys.dims[2]!, past, g)) : capped;
  const masked = bias ? g.Add(seen, bias) : seen;
  const weights = sink ? besideSink(masked, sink, g) : g.Softmax(masked, { axis: -1 });
  return { Y: g.MatMul(weights, shared(v, heads, g)), stages: [product, masked, capped, weights] };
}

/** Weights that leave to the sink what is its share. */
function besideSink(scores: StaticValue, sink: StaticValue, g: Builder): StaticValue {
  const [batch, heads, queries, keys] = scores.dims as [number, number, number, number];
  const all = g.Concat(scores, g.Expand(sink, [batch, heads, queries, 1]), { axis: 3 });
  return g.Slice(g.Softmax(all, { axis: -1 }), [0], [keys], [3]);
}

/** 0 where a query sees a key, far below elsewhere: [Lq, Lk]. */
function causal(queries: number, keys: number, past: number, g: Builder): StaticValue {
  const values = Array.from({ length: queries * keys }, (_, i) =>
    i % keys <= Math.floor(i / keys) + past ? 0 : NEVER,
  );
  return g.constant(exactly('float32', [queries, keys], values), 'causal');
}

/** Heads repeated so that each query head has its own. */
function shared(x: StaticValue, heads: number, g: Builder): StaticValue {
  const [batch, own, length, depth] = x.dims as [number, number, number, number];
  if (own === heads) return x;
  const wide = g.Expand(g.reshape(x, [batch, own, 1, length, depth]), [batch, own, heads / own, length, depth]);
  return g.reshape(wide, [batch, heads, length, depth]);
}

/** [B, L, H·D] → [B, H, L, D]. */
export const splitHeads = (x: StaticValue, heads: number, g: Builder): StaticValue => {
  const [batch, length, width] = x.dims as [number, number, number];
  return g.Transpose(g.reshape(x, [batch, length, heads, width / heads]), { perm: [0, 2, 1, 3] });
};

/** [B, H, L, D] → [B, L, H·D]. */
export const mergeHeads = (x: StaticValue, g: Builder): StaticValue => {
  const [batch, heads, length, depth] = x.dims as [number, number, number, number];
  return g.reshape(g.Transpose(x, { perm: [0, 2, 1, 3] }), [batch, length, heads * depth]);
};

/** A mask of booleans as a term of the scores; floats stay. */
export const maskTerm = (mask: StaticValue, g: Builder): StaticValue =>
  mask.dtype === 'bool' ? g.Where(mask, g.scalar(0), g.scalar(NEVER)) : mask;

/** A term of the scores that shows each sample's first keys, `lengths` [B] of them: [B, 1, 1, keys]. */
export function firstKeys(lengths: StaticValue, keys: number, g: Builder, unseen = NEVER): StaticValue {
  const batch = lengths.dims[0]!;
  const places = g.constant(
    exactly(
      'float32',
      [1, 1, 1, keys],
      Array.from({ length: keys }, (_, i) => i),
    ),
    'places',
  );
  const isSeen = g.Less(places, g.reshape(g.Cast(lengths, { to: 1 }), [batch, 1, 1, 1]));
  return g.Where(isSeen, g.scalar(0), g.scalar(unseen));
}
