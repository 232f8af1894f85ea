/** Decoder attention over a cache, as exported language models have it. */

import { over, plus } from '../../graph/dim.ts';
import type { Dim } from '../../graph/model.ts';
import { attend, mergeHeads, NEVER, splitHeads } from '../attend.ts';
import type { Builder } from '../builder.ts';
import { carried } from '../carried.ts';
import { float, int, type StaticValue, type Value } from '../op.ts';
import { rotated } from '../rotate.ts';
import { exactly } from '../sample.ts';

/** Of two positions and eight pairs of features. */
const angles = Array.from({ length: 16 }, (_, i) => Math.floor(i / 8) * 0.3 * (i % 8));

/**
 * Queries attend to keys that several heads share, those of a cache before their own; Ainslie et al. 2023, arXiv:2305.13245.
 *
 *   T = seqlens_k + 1 keys a sample;  p = max(0, T − L) of them lie in the cache, the L new ones follow
 *   query i sees the keys 0 … p + i, or the last `local_window_size` of them
 */
export const GroupQueryAttention = carried('GroupQueryAttention', {
  domain: 'com.microsoft',
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
  shape: ({ query, key, past_key, past_value, total_sequence_length }, { num_heads, kv_num_heads }) => {
    // Without keys the query holds all three, side by side.
    const hidden = key ? query.dims[2]! : over(query.dims[2]!, (num_heads + 2 * kv_num_heads) / num_heads);
    const total = past_key ? plus(past_key.dims[2]!, query.dims[1]!) : query.dims[1]!;
    const cache = { dims: [query.dims[0]!, kv_num_heads, total, over(hidden, num_heads)], dtype: query.dtype };
    // A cache with room keeps its length; one that is full grows.
    const open = ({ dims }: Value) => {
      const grown = dims[2] === 0 ? total : cacheLength(dims[2], total_sequence_length);
      return { ...cache, dims: dims.map((dim, i) => (i === 2 ? grown : dim)) };
    };
    return [
      { dims: [query.dims[0]!, query.dims[1]!, hidden], dtype: query.dtype },
      past_key ? open(past_key) : cache,
      past_value ? open(past_value) : cache,
    ];
  },
  decompose: (values, a, g) => {
    const { query, key, value, past_key, past_value, cos_cache, sin_cache, attention_bias, head_sink } = values;
    const { seqlens_k, total_sequence_length, position_ids } = values;
    if (a.do_rotary === 1 && !(cos_cache && sin_cache)) return undefined;
    const [batch, length, width] = query.dims as [number, number, number];
    const heads = [a.num_heads, a.kv_num_heads, a.kv_num_heads];
    const depth = key ? width / a.num_heads : width / heads.reduce((sum, n) => sum + n, 0);
    const three =
      key && value
        ? [query, key, value]
        : g.emit('Split', [query, heads.map((n) => n * depth)], { axis: 2 }, { outputs: 3 });
    const [q0, k0, v0] = three.map((x, i) => splitHeads(x, heads[i]!, g)) as [StaticValue, StaticValue, StaticValue];
    const room = past_key?.dims[2] ?? 0;
    const before = g.Max(g.Sub(g.reshape(g.Cast(seqlens_k, { to: 1 }), [batch, 1]), length - 1), 0); // p, [B, 1]
    const own = g.Add(room > 0 ? before : g.Mul(before, 0), row(length, [1, length], g)); // places of the queries, [B, L]
    const turned = (x: StaticValue): StaticValue => {
      if (a.do_rotary !== 1) return x;
      const angles = { cos: cos_cache!, sin: sin_cache!, places: position_ids ?? g.Cast(own, { to: 7 }) };
      const rotary_embedding_dim = 2 * cos_cache!.dims[1]!;
      return rotated(x, angles, { interleaved: a.rotary_interleaved, num_heads: x.dims[1]!, rotary_embedding_dim }, g);
    };
    const [q, fresh] = [turned(q0), turned(k0)];
    const total = cacheLength(room, total_sequence_length) ?? room + length;
    const [k, v] =
      room > 0
        ? [following(past_key!, fresh, before, total, g), following(past_value!, v0, before, total, g)]
        : [fresh, v0];
    const keys = k.dims[2]!;
    const behind = g.Sub(g.reshape(own, [batch, 1, length, 1]), row(keys, [1, 1, 1, keys], g)); // from a query back to a key
    const isRecent = a.local_window_size > 0 ? g.Less(behind, a.local_window_size) : undefined;
    const isBefore = g.GreaterOrEqual(behind, 0);
    const seen = g.Where(isRecent ? g.And(isBefore, isRecent) : isBefore, g.scalar(0), g.scalar(NEVER));
    const bias = attention_bias ? g.Add(seen, attention_bias) : seen;
    const sink = head_sink
      ? g.reshape(head_sink, [1, a.num_heads, 1, 1])
      : a.smooth_softmax === 1
        ? g.scalar(0)
        : undefined;
    const { Y } = attend({ q, k, v, bias, scale: a.scale || undefined, softcap: a.softcap ?? 0, sink }, g);
    return [mergeHeads(Y, g), k, v];
  },
  cost: ({ query, key, past_key }, { num_heads, kv_num_heads }) => {
    const hidden = key ? query.dims[2]! : (query.dims[2]! * num_heads) / (num_heads + 2 * kv_num_heads);
    const [batch, length] = query.dims as [number, number];
    return { macs: batch * length * (length + (past_key?.dims[2] ?? 0)) * 2 * hidden };
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
    {
      query: [2, 1, 32],
      key: [2, 1, 16],
      value: [2, 1, 16],
      past_key: [2, 1, 3, 16],
      past_value: [2, 1, 3, 16],
      seqlens_k: exactly('int32', [2], [3, 2]),
      total_sequence_length: exactly('int32', [], [4]),
      cos_cache: exactly('float32', [4, 8], [...angles, ...angles].map(Math.cos)),
      sin_cache: exactly('float32', [4, 8], [...angles, ...angles].map(Math.sin)),
      outputs: 3,
      attrs: { num_heads: 2, kv_num_heads: 1, do_rotary: 1 },
      macs: 2 * 4 * 2 * 32,
    },
    {
      query: [1, 4, 16],
      key: [1, 4, 8],
      value: [1, 4, 8],
      seqlens_k: exactly('int32', [1], [3]),
      total_sequence_length: exactly('int32', [], [4]),
      outputs: 3,
      attrs: { num_heads: 2, kv_num_heads: 1, local_window_size: 2, smooth_softmax: 1 },
      macs: 4 * 4 * 2 * 16,
    },
    {
      query: [1, 1, 16],
      key: [1, 1, 8],
      value: [1, 1, 8],
      past_key: [1, 1, 4, 8],
      past_value: [1, 1, 4, 8],
      seqlens_k: exactly('int32', [1], [2]),
      total_sequence_length: exactly('int32', [], [3]),
      head_sink: [2],
      outputs: 3,
      attrs: { num_heads: 2, kv_num_heads: 1 },
      macs: 5 * 2 * 16,
    },
  ],
});

/** Places along the cache after this step, where they are known: all that it has, or as many as the longest sample needs. */
const cacheLength = (room: Dim | undefined, total: Value | undefined): number | null => {
  const needed = total?.ints?.[0];
  return typeof room === 'number' && typeof needed === 'number' ? Math.max(room, needed) : null;
};

/** 0, 1, 2, … */
const row = (length: number, dims: readonly number[], g: Builder): StaticValue =>
  g.constant(
    exactly(
      'float32',
      dims,
      Array.from({ length }, (_, i) => i),
    ),
    'places',
  );

/** The first `before` [B, 1] places of a cache [B, H, P, D], then what is new [B, H, L, D], then zeros up to `total` places. */
function following(
  cache: StaticValue,
  fresh: StaticValue,
  before: StaticValue,
  total: number,
  g: Builder,
): StaticValue {
  const [batch, heads, room, depth] = cache.dims as [number, number, number, number];
  const length = fresh.dims[2]!;
  const places = row(total, [1, total], g);
  const since = g.Sub(places, before);
  const at = g.Clip(g.Where(g.Less(since, 0), places, g.Add(since, room)), 0, room + length - 1);
  const wide = g.Expand(g.reshape(g.Cast(at, { to: 7 }), [batch, 1, total, 1]), [batch, heads, total, depth]);
  const isHeld = g.reshape(g.Less(since, length), [batch, 1, total, 1]);
  return g.Where(isHeld, g.GatherElements(g.Concat(cache, fresh, { axis: 2 }), wide, { axis: 2 }), g.scalar(0));
}
