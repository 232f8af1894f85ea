/**
 * Projections, attention over heads and the turning of axes in between become the engine's one operator for all of it.
 *
 *   x [B, L, D] · W [D, 3·H·d] + b  →  Q, K, V [B, H, L, d]  →  softmax(s · Q·Kᵀ) · V  →  [B, L, H·d]          with or without a causal mask
 *
 * Source   com.microsoft.Attention, ONNX Runtime, docs/ContribOperators.md.
 *
 * Not among the rules that simplify: other engines do not know the operator. Some 15 to 30 nodes become one: twice as fast where tokens are few and
 * narrow, 1.05 to 1.3 times for encoders of the usual size.
 */

import { float32, floats, int64, type Tensor, tensor } from '../../graph/tensor.ts';
import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import { intsAttr, sameDims } from '../attribute.ts';
import type { Edit, Net } from '../net.ts';
import type { Match } from '../pattern.ts';
import type { ProjectedHeads } from '../projected-heads.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';
import { type Attention, isOverKeys, PLACES_FIRST, readAttention, spreadAttention } from '../spread-attention.ts';

/** A mask that is the same for all queries, [B, 1, 1, L], once for each of them: so the operator wants it. */
function forEachQuery(mask: string, edit: Edit): string {
  const own = edit.dims(mask)!;
  if (own[2] === own[3]) return mask;
  const one = edit.weight('one', int64([1], [1]));
  const keys = edit.emit('Shape', [mask], { start: 3 });
  return edit.emit('Expand', [mask, edit.emit('Concat', [one, one, keys, one], { axis: 0 })]);
}

/** [B, L, H · d] as the heads were put together. */
function laidOut(together: string, { root, nodes }: Match, edit: Edit): string {
  const isFirst = `${intsAttr(nodes['back']!, 'perm')}` === PLACES_FIRST;
  if (!isFirst && sameDims(edit.dims(together), edit.dims(root.outputs[0]!))) return together;
  const turned = isFirst ? edit.emit('Transpose', [together], { perm: [1, 0, 2] }) : together;
  return edit.emit('Reshape', [turned, root.inputs[1]!], root.attrs, { like: root });
}

/** The columns of queries, keys and values side by side: [D, 3 · H · d]. */
function packed(parts: readonly ProjectedHeads[], net: Net): Tensor {
  const rows = net.constant(parts[0]!.weight)!.dims[0]!;
  const wide = parts[0]!.heads * parts[0]!.depth;
  const all = new Float32Array(rows * 3 * wide);
  for (const [i, { weight, from }] of parts.entries()) {
    const W = net.constant(weight)!;
    const [width, own] = [W.dims[1]!, floats(W)];
    for (let r = 0; r < rows; r++) {
      all.set(own.subarray(r * width + from, r * width + from + wide), r * 3 * wide + i * wide);
    }
  }
  return float32([rows, 3 * wide], all);
}

/** Their biases: ONNX Runtime 1.30 crashes where there is none. */
function packedBias(parts: readonly ProjectedHeads[], net: Net): Tensor {
  const wide = parts[0]!.heads * parts[0]!.depth;
  const all = new Float32Array(3 * wide);
  for (const [i, { bias, from }] of parts.entries()) {
    if (bias !== undefined) all.set(floats(net.constant(bias)!).subarray(from, from + wide), i * wide);
  }
  return float32([3 * wide], all);
}

export const packedAttention = rule({
  name: 'packed-attention',
  about: 'Projections and attention over heads become the one operator that ONNX Runtime has for them.',
  pattern: spreadAttention,
  where: isOverKeys,

  check: (match, net) => {
    const found = readAttention(match, net);
    return typeof found === 'string' ? found : undefined;
  },

  rewrite: (match, edit) => {
    const { q, k, v, scale, isCausal, added } = readAttention(match, edit) as Attention;
    const parts = [q, k, v];
    const bias = edit.weight(q.bias ?? `${q.weight}_bias`, packedBias(parts, edit));
    const inputs = [
      q.x,
      edit.weight(q.weight, packed(parts, edit)),
      bias,
      ...(added === undefined ? [] : ['', '', forEachQuery(added, edit)]),
    ];
    const attrs = {
      num_heads: q.heads,
      scale: { kind: 'float', value: scale },
      ...(isCausal && { unidirectional: 1 }),
    } as const;
    const together = edit.emit('Attention', inputs, attrs, { domain: 'com.microsoft', like: match.nodes['heads']! });
    return {
      outputs: [laidOut(together, match, edit)],
      why: `${q.heads} heads of "${q.x}"${isCausal ? ', each place behind the last' : ''}`,
    };
  },

  samples: [
    {
      about: 'with one product for queries, keys and values, as GPT has it',
      leaves: 'Attention',
      build: (g) => {
        const all = g.Add(g.MatMul(g.input('x', 'float32', [2, 5, 6]), values(g, [6, 24])), values(g, [24]));
        const [q, k, v] = g.emit('Split', [all, [8, 8, 8]], { axis: 2 }, { outputs: 3 });
        return attended(g, apart(g, q!), g.Transpose(places(g, k!), { perm: [0, 2, 3, 1] }), apart(g, v!), (scores) =>
          g.Where(triangle(g), scores, g.scalar(Number.NEGATIVE_INFINITY, 'float32')),
        );
      },
    },
    {
      about: 'with a product each, as BERT has it',
      leaves: 'Attention',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 5, 6]);
        const [q, k, v] = [1, 2, 3].map((seed) =>
          apart(g, g.Add(values(g, [8], seed), g.MatMul(x, values(g, [6, 8], seed)))),
        );
        return attended(g, q!, g.Transpose(k!, { perm: [0, 1, 3, 2] }), v!);
      },
    },
    {
      about: 'stacked, as vision transformers have it, and without biases',
      leaves: 'Attention',
      build: (g) => {
        const all = g.MatMul(g.input('x', 'float32', [2, 5, 6]), values(g, [6, 24]));
        const stack = g.Transpose(g.Reshape(all, [2, 5, 3, 2, 4]), { perm: [2, 0, 3, 1, 4] });
        const [q, k, v] = [0, 1, 2].map((i) => g.Gather(stack, g.scalar(i, 'int64'), { axis: 0 }));
        return attended(g, q!, g.Transpose(k!, { perm: [0, 1, 3, 2] }), v!);
      },
    },
    {
      about: 'with places before the batch, and heads beside it, as torch.nn.MultiheadAttention has it',
      leaves: 'Attention Transpose Reshape',
      build: (g) => {
        const x = g.Transpose(g.input('x', 'float32', [2, 5, 8]), { perm: [1, 0, 2] });
        const all = g.Reshape(g.Add(g.MatMul(x, values(g, [8, 24])), values(g, [24])), [5, 2, 3, 8]);
        const stack = g.Squeeze(g.Transpose(g.Unsqueeze(all, [0]), { perm: [3, 1, 2, 0, 4] }), [3]);
        const [q, k, v] = [0, 1, 2].map((i) => {
          const beside = g.Reshape(g.Gather(stack, g.scalar(i, 'int64'), { axis: 0 }), [5, 4, 4]);
          return g.Reshape(g.Transpose(beside, { perm: [1, 0, 2] }), [2, 2, 5, 4]);
        });
        const scores = g.MatMul(g.Mul(q!, 0.7), g.Mul(g.Transpose(k!, { perm: [0, 1, 3, 2] }), 0.7));
        const sum = g.MatMul(g.Softmax(scores, { axis: -1 }), v!);
        return g.Reshape(g.Transpose(sum, { perm: [2, 0, 1, 3] }), [10, 8]);
      },
    },
    {
      about: 'with a weight for each pair of places and each head',
      leaves: 'Attention',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 5, 6]);
        const [q, k, v] = [1, 2, 3].map((seed) => apart(g, g.MatMul(x, values(g, [6, 8], seed))));
        return attended(g, q!, g.Transpose(k!, { perm: [0, 1, 3, 2] }), v!, (scores) =>
          g.Add(scores, values(g, [1, 2, 5, 5])),
        );
      },
    },
    {
      about: 'with a mask that is the same for all keys',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 5, 6]);
        const [q, k, v] = [1, 2, 3].map((seed) => apart(g, g.MatMul(x, values(g, [6, 8], seed))));
        return attended(g, q!, g.Transpose(k!, { perm: [0, 1, 3, 2] }), v!, (scores) =>
          g.Add(scores, values(g, [2, 1, 5, 1])),
        );
      },
      fires: false,
    },
    {
      about: 'with a causal mask that also weighs distances',
      leaves: 'Attention',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 5, 6]);
        const [q, k, v] = [1, 2, 3].map((seed) => apart(g, g.MatMul(x, values(g, [6, 8], seed))));
        const weigh = (i: number): number => (i % 5 <= Math.floor(i / 5) ? (i % 5) - Math.floor(i / 5) : -1e9);
        const mask = g.constant(
          float32(
            [1, 1, 5, 5],
            Float32Array.from({ length: 25 }, (_, i) => weigh(i)),
          ),
          'mask',
        );
        return attended(g, q!, g.Transpose(k!, { perm: [0, 1, 3, 2] }), v!, (scores) => g.Add(scores, mask));
      },
    },
    {
      about: 'with a mask that is the same for all queries',
      leaves: 'Shape Concat Expand Attention',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 5, 6]);
        const [q, k, v] = [1, 2, 3].map((seed) => apart(g, g.MatMul(x, values(g, [6, 8], seed))));
        return attended(g, q!, g.Transpose(k!, { perm: [0, 1, 3, 2] }), v!, (scores) =>
          g.Add(scores, g.input('mask', 'float32', [2, 1, 1, 5])),
        );
      },
    },
    {
      about: 'with values of another input',
      build: (g) => {
        const [x, y] = ['x', 'y'].map((name) => g.input(name, 'float32', [2, 5, 6]));
        const [q, k] = [1, 2].map((seed) => apart(g, g.MatMul(x!, values(g, [6, 8], seed))));
        return attended(g, q!, g.Transpose(k!, { perm: [0, 1, 3, 2] }), apart(g, g.MatMul(y!, values(g, [6, 8], 3))));
      },
      fires: false,
    },
    {
      about: 'with keys that are an output too',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 5, 6]);
        const [q, k, v] = [1, 2, 3].map((seed) => apart(g, g.MatMul(x, values(g, [6, 8], seed))));
        return [attended(g, q!, g.Transpose(k!, { perm: [0, 1, 3, 2] }), v!), k!];
      },
      fires: false,
    },
  ],
});

const places = (g: Builder, columns: StaticValue): StaticValue => g.Reshape(columns, [0, 0, 2, 4]);
const apart = (g: Builder, columns: StaticValue): StaticValue =>
  g.Transpose(places(g, columns), { perm: [0, 2, 1, 3] });
const triangle = (g: Builder): StaticValue =>
  g.constant(
    tensor(
      'bool',
      [5, 5],
      Uint8Array.from({ length: 25 }, (_, i) => Number(i % 5 <= Math.floor(i / 5))),
    ),
    'seen',
  );

function attended(
  g: Builder,
  q: StaticValue,
  turned: StaticValue,
  v: StaticValue,
  mask: (scores: StaticValue) => StaticValue = (scores) => scores,
): StaticValue {
  const sum = g.MatMul(g.Softmax(mask(g.Mul(g.MatMul(q, turned), 0.5)), { axis: -1 }), v);
  return g.Reshape(g.Transpose(sum, { perm: [0, 2, 1, 3] }), [0, 0, 8]);
}
