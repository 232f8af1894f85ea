/** Attention as transformer optimisers write it. */

import { over, plus } from '../../graph/dim.ts';
import type { Dim } from '../../graph/model.ts';
import { attend, firstKeys, mergeHeads, splitHeads } from '../attend.ts';
import type { Builder } from '../builder.ts';
import { carried } from '../carried.ts';
import { float, int, ints, type StaticValue } from '../op.ts';
import { rotaryAttrs, rotated } from '../rotate.ts';
import { exactly } from '../sample.ts';

const DOMAIN = 'com.microsoft';
const product = (...dims: readonly (Dim | undefined)[]): number =>
  dims.reduce<number>((n, dim) => n * (dim as number), 1);

/** Projection, attention over heads, no output projection. */
export const Attention = carried('Attention', {
  domain: DOMAIN,
  inputs: ['input', 'weights', 'bias?', 'mask_index?', 'past?', 'attention_bias?', 'past_sequence_length?'],
  outputs: ['Y', 'present?'],
  attrs: {
    num_heads: int(1),
    unidirectional: int(0),
    qkv_hidden_sizes: ints(),
    mask_filter_value: float(-10000),
    scale: float(),
    do_rotary: int(0),
    past_present_share_buffer: int(0),
    rotary_embedding_dim: int(0),
  },
  // input [B, L, in] · weights [in, 3·hidden] -> Y [B, L, hidden]
  shape: ({ input, weights, past }, { qkv_hidden_sizes, num_heads }) => {
    const hidden = qkv_hidden_sizes?.[2] ?? over(weights.dims[1]!, 3);
    const total = past ? plus(past.dims[3]!, input.dims[1]!) : input.dims[1]!;
    return [
      { dims: [input.dims[0]!, input.dims[1]!, hidden], dtype: input.dtype },
      { dims: [2, input.dims[0]!, num_heads, total, over(hidden, num_heads)], dtype: input.dtype },
    ];
  },
  decompose: ({ input, weights, bias, mask_index, past, attention_bias }, a, g) => {
    if (a.do_rotary === 1 || (mask_index && !isPlainMask(mask_index, input.dims[0] as number))) return undefined;
    const [batch, length, width] = input.dims as [number, number, number];
    const sizes = a.qkv_hidden_sizes ?? [0, 1, 2].map(() => weights.dims[1]! / 3);
    const rows = g.Gemm(g.reshape(input, [batch * length, width]), weights, bias);
    const all = g.reshape(rows, [batch, length, weights.dims[1]!]);
    const heads = g.emit('Split', [all, sizes], { axis: 2 }, { outputs: 3 }).map((x) => splitHeads(x, a.num_heads, g));
    const [q, k0, v0] = heads as [StaticValue, StaticValue, StaticValue];
    // The cache is [2, B, H, P, depth]: keys, then values.
    const before = past?.dims[3] ?? 0;
    const [oldKeys, oldValues] = [0, 1].map((i) => past && g.Gather(past, g.scalar(i, 'int64'), { axis: 0 }));
    const k = oldKeys ? g.Concat(oldKeys, k0, { axis: 2 }) : k0;
    const v = oldValues ? g.Concat(oldValues, v0, { axis: 2 }) : v0;
    const total = before + length;
    const term = mask_index && plainMask(mask_index, total, a.mask_filter_value, g);
    const mask = term && attention_bias ? g.Add(term, attention_bias) : (term ?? attention_bias);
    const scale = a.scale || undefined;
    const { Y } = attend({ q, k, v, bias: mask, past: before, scale, isCausal: a.unidirectional === 1 }, g);
    const four = [1, batch, a.num_heads, total, sizes[2]! / a.num_heads];
    return [mergeHeads(Y, g), g.Concat(g.reshape(k, four), g.reshape(v, four), { axis: 0 })];
  },
  quant: { kind: 'float', stores: { slots: ['weights'], axis: 1 } },
  cost: ({ input, weights, past }, { qkv_hidden_sizes }) => {
    const [batch, length] = input.dims as [number, number];
    const [depth, width] = [
      qkv_hidden_sizes?.[0] ?? weights.dims[1]! / 3,
      qkv_hidden_sizes?.[2] ?? weights.dims[1]! / 3,
    ];
    const keys = length + (past?.dims[3] ?? 0);
    return { macs: product(batch, length, ...weights.dims) + product(batch, length, keys, depth + width) };
  },
  samples: [
    {
      input: [1, 3, 4],
      weights: [4, 12],
      bias: [12],
      mask_index: exactly('int32', [1, 3], [1, 1, 0]),
      attrs: { num_heads: 2 },
      macs: 3 * 4 * 12 + 3 * 3 * (4 + 4),
    },
    {
      input: [1, 3, 4],
      weights: [4, 12],
      bias: [12],
      attrs: { num_heads: 2, unidirectional: 1 },
      macs: 3 * 4 * 12 + 3 * 3 * 8,
    },
    {
      input: [1, 2, 4],
      weights: [4, 12],
      bias: [12],
      past: [2, 1, 2, 3, 2],
      outputs: 2,
      attrs: { num_heads: 2, unidirectional: 1 },
      macs: 2 * 4 * 12 + 2 * 5 * 8,
    },
    {
      input: [2, 3, 4],
      weights: [4, 12],
      bias: [12],
      mask_index: exactly('int32', [2], [2, 3]),
      attrs: { num_heads: 2 },
      macs: 2 * (3 * 4 * 12 + 3 * 3 * 8),
    },
  ],
});

/** A mask of keys [B, keys], of queries and keys [B, L, keys], or how many keys each sample has [B]. */
const isPlainMask = ({ dims }: StaticValue, batch: number): boolean =>
  dims.length === 2 || dims.length === 3 || (dims.length === 1 && dims[0] === batch);

function plainMask(mask: StaticValue, keys: number, unseen: number, g: Builder): StaticValue {
  const [batch, ...rest] = mask.dims as [number, ...number[]];
  if (rest.length === 0) return firstKeys(mask, keys, g, unseen);
  const term = g.Mul(g.Sub(1, g.Cast(mask, { to: 1 })), unseen);
  return g.reshape(term, [batch, 1, rest.length === 2 ? rest[0]! : 1, keys]);
}

/** Attention over projected queries, keys and values. */
export const MultiHeadAttention = carried('MultiHeadAttention', {
  domain: DOMAIN,
  inputs: ['query', 'key?', 'value?', 'bias?', 'key_padding_mask?', 'attention_bias?', 'past_key?', 'past_value?'],
  outputs: ['Y', 'present_key?', 'present_value?', 'qk?'],
  attrs: { num_heads: int(1), mask_filter_value: float(-10000), scale: float(), unidirectional: int(0) },
  shape: ({ query, key, value, past_key }, { num_heads }) => {
    // A packed query is [B, L, heads, 3, depth]; keys and values may come split into heads already.
    if (query.dims.length === 5 || !key || !value) return null;
    const [batch, length, hidden] = query.dims as [Dim, Dim, Dim];
    const keys = key.dims.length === 4 ? key.dims[2]! : key.dims[1]!;
    const width = value.dims.length === 4 ? null : value.dims[2]!;
    const total = past_key ? plus(past_key.dims[2]!, keys) : keys;
    const dtype = query.dtype;
    return [
      { dims: [batch, length, width ?? hidden], dtype },
      { dims: [batch, num_heads, total, over(hidden, num_heads)], dtype },
      { dims: [batch, num_heads, total, over(width ?? hidden, num_heads)], dtype },
      { dims: [batch, num_heads, length, total], dtype },
    ];
  },
  decompose: ({ query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value }, a, g) => {
    if (!key || !value || query.dims.length !== 3 || key.dims.length < 3 || key.dims.length > 4) return undefined;
    if (key_padding_mask && !isPlainMask(key_padding_mask, query.dims[0] as number)) return undefined;
    const sizes = [query, key, value].map(({ dims }) => (dims.length === 4 ? dims[1]! * dims[3]! : dims[2]!));
    const biases = bias && g.emit('Split', [bias, sizes], { axis: 0 }, { outputs: 3 });
    const split = (x: StaticValue, i: number): StaticValue =>
      x.dims.length === 4 ? x : splitHeads(biases ? g.Add(x, biases[i]) : x, a.num_heads, g);
    const [q, k0, v0] = [query, key, value].map(split) as [StaticValue, StaticValue, StaticValue];
    const k = past_key ? g.Concat(past_key, k0, { axis: 2 }) : k0;
    const v = past_value ? g.Concat(past_value, v0, { axis: 2 }) : v0;
    const term = key_padding_mask && plainMask(key_padding_mask, k.dims[2]!, a.mask_filter_value, g);
    const mask = term && attention_bias ? g.Add(term, attention_bias) : (term ?? attention_bias);
    const past = past_key?.dims[2] ?? 0;
    const { Y, stages } = attend(
      { q, k, v, bias: mask, past, scale: a.scale || undefined, isCausal: a.unidirectional === 1 },
      g,
    );
    return [mergeHeads(Y, g), k, v, stages[0]];
  },
  cost: ({ query, key, value, past_key }) => {
    if (!key || !value || query.dims.length === 5) return { macs: 0 };
    const keys = (key.dims.length === 4 ? key.dims[2]! : key.dims[1]!) + (past_key?.dims[2] ?? 0);
    const hidden = query.dims[2]!;
    return {
      macs: product(query.dims[0], query.dims[1], keys, hidden + (value.dims.length === 3 ? value.dims[2]! : hidden)),
    };
  },
  samples: [
    { query: [1, 2, 4], key: [1, 3, 4], value: [1, 3, 4], attrs: { num_heads: 2 }, macs: 2 * 3 * 8 },
    {
      query: [1, 2, 4],
      key: [1, 3, 4],
      value: [1, 3, 4],
      bias: [12],
      key_padding_mask: exactly('int32', [1, 3], [1, 0, 1]),
      attrs: { num_heads: 2 },
      macs: 2 * 3 * 8,
    },
    {
      query: [1, 2, 4],
      key: [1, 2, 4],
      value: [1, 2, 4],
      past_key: [1, 2, 3, 2],
      past_value: [1, 2, 3, 2],
      outputs: 3,
      attrs: { num_heads: 2, unidirectional: 1 },
      macs: 2 * 5 * 8,
    },
    { query: [1, 2, 4], key: [1, 2, 3, 2], value: [1, 2, 3, 2], attrs: { num_heads: 2 }, macs: 2 * 3 * 8 },
  ],
});

export const RotaryEmbedding = carried('RotaryEmbedding', {
  domain: DOMAIN,
  inputs: ['X', 'position_ids', 'cos_cache', 'sin_cache'],
  attrs: { ...rotaryAttrs, scale: float(1), is_packed_batching: int(0) },
  shape: ({ X }) => X.dims,
  decompose: ({ X, position_ids, cos_cache, sin_cache }, a, g) => {
    const [batch, length] = X.dims.length === 3 ? [X.dims[0]!, X.dims[1]!] : [X.dims[0]!, X.dims[2]!];
    if (position_ids.dims.length !== 2) return undefined;
    const depth = 2 * cos_cache.dims[1]!;
    const num_heads = a.num_heads || (X.dims.length === 3 ? X.dims[2]! / depth : 0);
    const places = g.reshape(position_ids, [batch, length]);
    return [rotated(X, { cos: cos_cache, sin: sin_cache, places }, { ...a, num_heads }, g)];
  },
  samples: [{ X: [1, 2, 8], position_ids: exactly('int64', [1, 2], [1, 3]), cos_cache: [4, 2], sin_cache: [4, 2] }],
});
