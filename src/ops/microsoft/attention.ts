/** Attention as transformer optimisers write it. */

import { over, plus } from '../../graph/dim.ts';
import type { Dim } from '../../graph/model.ts';
import { attend, mergeHeads, splitHeads } from '../attend.ts';
import { carried } from '../carried.ts';
import { float, int, ints, type StaticValue, type Value } from '../op.ts';
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
    if (past || a.do_rotary === 1 || (mask_index && mask_index.dims.length !== 2)) return undefined;
    const [batch, length, width] = input.dims as [number, number, number];
    const sizes = a.qkv_hidden_sizes ?? [0, 1, 2].map(() => weights.dims[1]! / 3);
    const rows = g.Gemm(g.reshape(input, [batch * length, width]), weights, bias);
    const all = g.reshape(rows, [batch, length, weights.dims[1]!]);
    const heads = g.emit('Split', [all, sizes], { axis: 2 }, { outputs: 3 }).map((x) => splitHeads(x, a.num_heads, g));
    const [q, k, v] = heads as [StaticValue, StaticValue, StaticValue];
    const hidden = mask_index && g.Mul(g.Sub(1, g.Cast(mask_index, { to: 1 })), a.mask_filter_value);
    const term = hidden && g.reshape(hidden, [batch, 1, 1, length]);
    const mask = term && attention_bias ? g.Add(term, attention_bias) : (term ?? attention_bias);
    const { Y } = attend({ q, k, v, bias: mask, scale: a.scale || undefined, isCausal: a.unidirectional === 1 }, g);
    const four = [1, batch, a.num_heads, length, sizes[2]! / a.num_heads];
    return [mergeHeads(Y, g), g.Concat(g.reshape(k, four), g.reshape(v, four), { axis: 0 })];
  },
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
  ],
});

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
    if (key?.dims.length !== 3 || value?.dims.length !== 3 || query.dims.length !== 3) return undefined;
    if (key_padding_mask && key_padding_mask.dims.length !== 2) return undefined;
    const sizes = [query.dims[2]!, key.dims[2]!, value.dims[2]!];
    const biases = bias && g.emit('Split', [bias, sizes], { axis: 0 }, { outputs: 3 });
    const [q, k0, v0] = [query, key, value].map((x, i) =>
      splitHeads(biases ? g.Add(x, biases[i]) : x, a.num_heads, g),
    ) as [StaticValue, StaticValue, StaticValue];
    const k = past_key ? g.Concat(past_key, k0, { axis: 2 }) : k0;
    const v = past_value ? g.Concat(past_value, v0, { axis: 2 }) : v0;
    const hidden = key_padding_mask && g.Mul(g.Sub(1, g.Cast(key_padding_mask, { to: 1 })), a.mask_filter_value);
    const term = hidden && g.reshape(hidden, [query.dims[0]!, 1, 1, k.dims[2]!]);
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
  ],
});

/** Of two positions and eight pairs of features. */
const angles = Array.from({ length: 16 }, (_, i) => Math.floor(i / 8) * 0.3 * (i % 8));

/**
 * Decoder attention with a cache and shared keys.
 *
 * Opened for a prompt (nothing in the cache): sequences that end earlier are filled up behind, where no query before looks.
 */
export const GroupQueryAttention = carried('GroupQueryAttention', {
  domain: DOMAIN,
  inputs: [
    'query',
    'key?',
    'value?',
    'past_key?',
    'past_value?',
    'seqlens_k',
    'total_sequence_length',
    'cos_cache?',
    'sin_cache?',
    'position_ids?',
    'attention_bias?',
    'head_sink?',
  ],
  outputs: ['Y', 'present_key', 'present_value'],
  attrs: {
    num_heads: int(1),
    kv_num_heads: int(1),
    scale: float(),
    softcap: float(),
    local_window_size: int(-1),
    do_rotary: int(0),
    rotary_interleaved: int(0),
    smooth_softmax: int(0),
  },
  shape: ({ query, key, past_key, past_value }, { num_heads, kv_num_heads }) => {
    // Without keys the query holds all three, side by side.
    const hidden = key ? query.dims[2]! : over(query.dims[2]!, (num_heads + 2 * kv_num_heads) / num_heads);
    const total = past_key ? plus(past_key.dims[2]!, query.dims[1]!) : query.dims[1]!;
    const cache = { dims: [query.dims[0]!, kv_num_heads, total, over(hidden, num_heads)], dtype: query.dtype };
    const open = (past: Value) => ({
      ...cache,
      dims: past.dims.map((dim, i) => (i === 2 ? (dim === 0 ? total : null) : dim)),
    });
    return [
      { dims: [query.dims[0]!, query.dims[1]!, hidden], dtype: query.dtype },
      past_key ? open(past_key) : cache,
      past_value ? open(past_value) : cache,
    ];
  },
  grad: 'missing', // behind a cache
  decompose: ({ query, key, value, past_key, cos_cache, sin_cache, position_ids, attention_bias, head_sink }, a, g) => {
    if ((past_key?.dims[2] ?? 0) > 0 || head_sink || a.smooth_softmax === 1 || a.local_window_size > 0)
      return undefined;
    if (position_ids || (a.do_rotary === 1 && !(cos_cache && sin_cache))) return undefined;
    const [batch, length, width] = query.dims as [number, number, number];
    const heads = [a.num_heads, a.kv_num_heads, a.kv_num_heads];
    const depth = key ? width / a.num_heads : width / heads.reduce((sum, n) => sum + n, 0);
    const three =
      key && value
        ? [query, key, value]
        : g.emit('Split', [query, heads.map((n) => n * depth)], { axis: 2 }, { outputs: 3 });
    const [q0, k0, v] = three.map((x, i) => splitHeads(x, heads[i]!, g)) as [StaticValue, StaticValue, StaticValue];
    const turned = (x: StaticValue): StaticValue => {
      if (a.do_rotary !== 1) return x;
      const row = Array.from({ length: batch * length }, (_, i) => i % length);
      const angles = { cos: cos_cache!, sin: sin_cache!, places: g.reshape(g.ints(row), [batch, length]) };
      const rotary_embedding_dim = 2 * cos_cache!.dims[1]!;
      return rotated(x, angles, { interleaved: a.rotary_interleaved, num_heads: x.dims[1]!, rotary_embedding_dim }, g);
    };
    const [q, k] = [turned(q0), turned(k0)];
    const { Y } = attend(
      { q, k, v, bias: attention_bias, scale: a.scale || undefined, isCausal: true, softcap: a.softcap ?? 0 },
      g,
    );
    return [mergeHeads(Y, g), k, v];
  },
  cost: ({ query, key, past_key }, { num_heads, kv_num_heads }) => {
    const hidden = key ? query.dims[2]! : (query.dims[2]! * num_heads) / (num_heads + 2 * kv_num_heads);
    return { macs: product(query.dims[0], query.dims[1], query.dims[1]! + (past_key?.dims[2] ?? 0), 2 * hidden) };
  },
  samples: [
    {
      query: [1, 2, 16],
      key: [1, 2, 8],
      value: [1, 2, 8],
      seqlens_k: exactly('int32', [1], [1]),
      total_sequence_length: exactly('int32', [], [2]),
      outputs: 3,
      attrs: { num_heads: 2, kv_num_heads: 1 },
      macs: 2 * 2 * 2 * 16,
    },
    {
      query: [1, 2, 64],
      seqlens_k: exactly('int32', [1], [1]),
      total_sequence_length: exactly('int32', [], [2]),
      cos_cache: exactly('float32', [2, 8], angles.map(Math.cos)),
      sin_cache: exactly('float32', [2, 8], angles.map(Math.sin)),
      outputs: 3,
      attrs: { num_heads: 2, kv_num_heads: 1, do_rotary: 1 },
      macs: 2 * 2 * 2 * 32,
    },
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
