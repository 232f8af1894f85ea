/** Attention and the rotation of positions, as ai.onnx has them from opset 23 on. */

import { over, plus, times } from '../graph/dim.ts';
import type { Dim } from '../graph/model.ts';
import { noMacs } from './answer.ts';
import { attend, firstKeys, maskTerm, mergeHeads, splitHeads } from './attend.ts';
import { float, int, op, type Value } from './op.ts';
import { rotaryAttrs, rotated } from './rotate.ts';
import { exactly } from './sample.ts';

/** Batch, heads, length and depth of an operand, whichever of its two layouts it has. */
const fourOf = ({ dims }: Value, heads: number): [Dim, Dim, Dim, Dim] =>
  dims.length === 4 ? (dims as [Dim, Dim, Dim, Dim]) : [dims[0]!, heads, dims[1]!, over(dims[2]!, heads)];

export const Attention = op({
  type: 'Attention',
  since: 23,
  inputs: ['Q', 'K', 'V', 'attn_mask?', 'past_key?', 'past_value?', 'nonpad_kv_seqlen?'],
  outputs: ['Y', 'present_key?', 'present_value?', 'qk_matmul_output?'],
  attrs: {
    is_causal: int(0),
    kv_num_heads: int(0),
    q_num_heads: int(0),
    qk_matmul_output_mode: int(0),
    scale: float(),
    softcap: float(0),
    softmax_precision: int(),
  },
  // Q [B, H, L, D] or [B, L, H·D]; Y in the same layout.
  shape: ({ Q, K, V, past_key }, { q_num_heads, kv_num_heads }) => {
    const [batch, heads, length] = fourOf(Q, q_num_heads);
    const [, own, fresh, depth] = fourOf(K, kv_num_heads);
    const [, , , width] = fourOf(V, kv_num_heads);
    const total = past_key ? plus(past_key.dims[2]!, fresh) : fresh;
    const { dtype } = Q;
    return [
      { dims: Q.dims.length === 4 ? [batch, heads, length, width] : [batch, length, times(heads, width)], dtype },
      { dims: [batch, own, total, depth], dtype: K.dtype },
      { dims: [batch, own, total, width], dtype: V.dtype },
      { dims: [batch, heads, length, total], dtype },
    ];
  },
  grad: 'missing',
  decompose: ({ Q, K, V, attn_mask, past_key, past_value, nonpad_kv_seqlen }, a, g) => {
    const flat = Q.dims.length === 3;
    const q = flat ? splitHeads(Q, a.q_num_heads, g) : Q;
    const k0 = flat ? splitHeads(K, a.kv_num_heads, g) : K;
    const v0 = flat ? splitHeads(V, a.kv_num_heads, g) : V;
    const k = past_key ? g.Concat(past_key, k0, { axis: 2 }) : k0;
    const v = past_value ? g.Concat(past_value, v0, { axis: 2 }) : v0;
    const mask = attn_mask && maskTerm(attn_mask, g);
    const real = nonpad_kv_seqlen && firstKeys(nonpad_kv_seqlen, k.dims[2]!, g);
    const bias = mask && real ? g.Add(mask, real) : (mask ?? real);
    const past = past_key?.dims[2] ?? 0;
    const { Y, stages } = attend(
      { q, k, v, bias, past, scale: a.scale, softcap: a.softcap, isCausal: a.is_causal === 1 },
      g,
    );
    return [flat ? mergeHeads(Y, g) : Y, k, v, stages[a.qk_matmul_output_mode as 0]!];
  },
  couple: 'none',
  // Q·Kᵀ and weights·V.
  cost: ({ Q, K, V, past_key }, { q_num_heads, kv_num_heads }) => {
    const [batch, heads, length, depth] = fourOf(Q, q_num_heads) as number[];
    const [, , fresh] = fourOf(K, kv_num_heads) as number[];
    const [, , , width] = fourOf(V, kv_num_heads) as number[];
    return { macs: batch! * heads! * length! * (fresh! + (past_key?.dims[2] ?? 0)) * (depth! + width!) };
  },
  quant: 'float',
  samples: [
    { Q: [1, 2, 3, 2], K: [1, 2, 4, 2], V: [1, 2, 4, 3], macs: 2 * 3 * 4 * (2 + 3) },
    {
      Q: [2, 3, 4],
      K: [2, 3, 4],
      V: [2, 3, 4],
      attrs: { q_num_heads: 2, kv_num_heads: 2, is_causal: 1, scale: 0.9 },
      macs: 2 * 2 * 3 * 3 * (2 + 2),
    },
    {
      Q: [1, 4, 2, 2],
      K: [1, 2, 3, 2],
      V: [1, 2, 3, 2],
      attn_mask: exactly('bool', [2, 3], [1, 1, 0, 1, 0, 1]),
      attrs: { softcap: 2 },
      macs: 4 * 2 * 3 * (2 + 2),
    },
    {
      Q: [1, 2, 4],
      K: [1, 2, 4],
      V: [1, 2, 4],
      past_key: [1, 2, 3, 2],
      past_value: [1, 2, 3, 2],
      outputs: 3,
      attrs: { q_num_heads: 2, kv_num_heads: 2, is_causal: 1 },
      macs: 2 * 2 * 5 * (2 + 2),
    },
  ],
});

export const RotaryEmbedding = op({
  type: 'RotaryEmbedding',
  since: 23,
  inputs: ['X', 'cos_cache', 'sin_cache', 'position_ids?'],
  attrs: rotaryAttrs,
  shape: ({ X }) => X.dims,
  grad: 'missing',
  decompose: ({ X, cos_cache, sin_cache, position_ids }, a, g) => [
    rotated(X, { cos: cos_cache, sin: sin_cache, places: position_ids }, a, g),
  ],
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [
    {
      X: [1, 2, 3, 4],
      cos_cache: [5, 2],
      sin_cache: [5, 2],
      position_ids: exactly('int64', [1, 3], [0, 3, 2]),
    },
    { X: [2, 3, 8], cos_cache: [2, 3, 2], sin_cache: [2, 3, 2], attrs: { num_heads: 2, interleaved: 1 } },
    {
      X: [1, 1, 2, 6],
      cos_cache: [4, 2],
      sin_cache: [4, 2],
      position_ids: exactly('int64', [1, 2], [1, 3]),
      attrs: { rotary_embedding_dim: 4 },
    },
  ],
});
