/** Normalisation together with what comes before it: residuals, biases, embeddings. */

import type { Dim } from '../../graph/model.ts';
import { fromFront, noMacs } from '../answer.ts';
import type { Builder } from '../builder.ts';
import { meanOver } from '../moments.ts';
import { float, int, op, type StaticValue, type Value } from '../op.ts';
import { exactly } from '../sample.ts';

const DOMAIN = 'com.microsoft';

/** The sum and its statistics: one number per row. */
const withSum = (X: Value) => {
  const rows: Dim[] = [...X.dims.slice(0, -1), 1];
  return [
    { dims: X.dims, dtype: X.dtype },
    { dims: rows, dtype: 'float32' as const },
    { dims: rows, dtype: 'float32' as const },
    { dims: X.dims, dtype: X.dtype },
  ];
};

const rms = (x: StaticValue, scale: StaticValue, epsilon: number, axes: readonly number[], g: Builder) => {
  const inverse = g.Div(1, g.Sqrt(g.Add(meanOver(g.Mul(x, x), axes, g), epsilon)));
  return { inverse, Y: g.Mul(g.Mul(x, inverse), scale) };
};

export const SkipLayerNormalization = op({
  type: 'SkipLayerNormalization',
  domain: DOMAIN,
  inputs: ['input', 'skip', 'gamma', 'beta?', 'bias?'],
  outputs: ['output', 'mean?', 'inv_std_var?', 'input_skip_bias_sum?'],
  attrs: { epsilon: float(1e-12) },
  shape: ({ input }) => withSum(input),
  grad: 'none',
  decompose: ({ input, skip, gamma, beta, bias }, { epsilon }, g) => {
    const pair = g.Add(input, skip);
    const sum = bias ? g.Add(pair, bias) : pair;
    return [...g.emit('LayerNormalization', [sum, gamma, beta], { epsilon }, { outputs: 3 }), sum];
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [
    { input: [1, 2, 4], skip: [1, 2, 4], gamma: [4], beta: [4], bias: [4] },
    { input: [1, 2, 4], skip: [1, 2, 4], gamma: [4], attrs: { epsilon: 0.01 } },
  ],
});

export const SkipSimplifiedLayerNormalization = op({
  type: 'SkipSimplifiedLayerNormalization',
  domain: DOMAIN,
  inputs: ['input', 'skip', 'gamma', 'bias?'],
  outputs: ['output', 'mean?', 'inv_std_var?', 'input_skip_bias_sum?'],
  attrs: { epsilon: float(1e-12) },
  shape: ({ input }) => withSum(input),
  grad: 'none',
  decompose: ({ input, skip, gamma, bias }, { epsilon }, g) => {
    const pair = g.Add(input, skip);
    const sum = bias ? g.Add(pair, bias) : pair;
    const axes = [sum.dims.length - 1];
    const { Y, inverse } = rms(sum, gamma, epsilon, axes, g);
    return [Y, meanOver(sum, axes, g), inverse, sum];
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [{ input: [1, 2, 4], skip: [1, 2, 4], gamma: [4] }],
});

/** What ai.onnx calls RMSNormalization from opset 23 on; ONNX Runtime has it under the standard domain. */
export const SimplifiedLayerNormalization = op({
  type: 'SimplifiedLayerNormalization',
  inputs: ['X', 'scale'],
  outputs: ['Y', 'inv_std_var?'],
  attrs: { axis: int(-1), epsilon: float(1e-5), stash_type: int(1) },
  shape: ({ X, scale }, { axis }) => [
    { dims: X.dims, dtype: scale.dtype },
    { dims: X.dims.map((dim, i): Dim => (i < fromFront(axis, X.dims.length) ? dim : 1)), dtype: 'float32' },
  ],
  grad: 'none',
  decompose: ({ X, scale }, { axis, epsilon }, g) => {
    const axes = X.dims.flatMap((_, i) => (i < fromFront(axis, X.dims.length) ? [] : [i]));
    const { Y, inverse } = rms(X, scale, epsilon, axes, g);
    return [Y, inverse];
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [{ X: [2, 3, 4], scale: [4] }],
});

/** Word, place and segment embeddings summed and normalised. */
export const EmbedLayerNormalization = op({
  type: 'EmbedLayerNormalization',
  domain: DOMAIN,
  inputs: ['input_ids', 'segment_ids?', 'word', 'place', 'segment?', 'gamma', 'beta', 'mask?', 'position_ids?'],
  outputs: ['output', 'mask_index?', 'embedding_sum?'],
  attrs: { epsilon: float(1e-12), mask_index_type: int(0) },
  shape: ({ input_ids, word }) => {
    const dims = [...input_ids.dims, word.dims[1]!];
    return [
      { dims, dtype: word.dtype },
      { dims: [input_ids.dims[0]!], dtype: 'int32' },
      { dims, dtype: word.dtype },
    ];
  },
  grad: 'missing',
  decompose: ({ input_ids, segment_ids, word, place, segment, gamma, beta, mask, position_ids }, { epsilon }, g) => {
    if (mask) return undefined;
    const [batch, length] = input_ids.dims as [number, number];
    const places = position_ids ?? g.ints(Array.from({ length }, (_, i) => i));
    const words = g.Add(g.Gather(word, input_ids), g.Gather(place, places));
    const sum = segment && segment_ids ? g.Add(words, g.Gather(segment, segment_ids)) : words;
    const none = g.constant(exactly('int32', [batch], new Array<number>(batch).fill(0)), 'mask_index');
    return [g.LayerNormalization(sum, gamma, beta, { epsilon }), none, sum];
  },
  couple: 'none',
  cost: noMacs,
  quant: 'float',
  samples: [
    {
      input_ids: exactly('int32', [1, 3], [2, 0, 1]),
      segment_ids: exactly('int32', [1, 3], [0, 0, 1]),
      word: [4, 4],
      place: [5, 4],
      segment: [2, 4],
      gamma: [4],
      beta: [4],
      outputs: 2,
    },
  ],
});
