/** Small random networks with branches, for tests: every shape that a residual, joined, split or grouped network takes. */

import { random } from '../../src/base/random.ts';
import { valueInfo } from '../../src/graph/edit.ts';
import type { Model } from '../../src/graph/model.ts';
import { float32, sizeOf } from '../../src/graph/tensor.ts';
import { type Builder, draft } from '../../src/ops/builder.ts';
import { modelFrom } from '../../src/ops/model-of.ts';
import type { StaticValue } from '../../src/ops/op.ts';

/** What the next layer is, by number; the rest of a step's numbers choose widths and partners. */
export type Step = readonly [kind: number, width: number, from: number];

/** A convolutional network of these steps on images [2, 3, 6, 6], ending in a dense layer of 3. */
export function randomNetwork(steps: readonly Step[], seed: number): Model {
  const source = random(seed, 'network');
  const building = draft<StaticValue>();
  const { g } = building;
  const draw = (dims: readonly number[], low = -1): StaticValue =>
    g.constant(
      float32(
        dims,
        Float32Array.from({ length: sizeOf(dims) }, () => low + (1 - low) * source.uniform()),
      ),
      'w',
    );
  let x = conv(g, g.input('x', 'float32', [2, 3, 6, 6]), 4, 1, draw);
  const past = [x];
  for (const [kind, width, from] of steps) {
    const other = past[from % past.length]!;
    x = LAYERS[kind % LAYERS.length]!(g, x, other, 2 + (width % 5), draw);
    past.push(x);
  }
  const flat = g.Flatten(x);
  const y = g.Gemm(flat, draw([flat.dims[1]!, 3]), draw([3]));
  const graph = building.finish([valueInfo(y.name, y.dtype, y.dims)]);
  return modelFrom(graph);
}

type Draw = (dims: readonly number[], low?: number) => StaticValue;
type Make = (g: Builder, x: StaticValue, other: StaticValue, width: number, draw: Draw) => StaticValue;

const channels = (x: StaticValue): number => x.dims[1]!;

const conv = (g: Builder, x: StaticValue, width: number, group: number, draw: Draw): StaticValue =>
  g.Conv(x, draw([width, channels(x) / group, 3, 3]), draw([width]), { pads: [1, 1, 1, 1], group });

const LAYERS: readonly Make[] = [
  (g, x, _, width, draw) => conv(g, x, width, 1, draw),
  (g, x, _, __, draw) => {
    const c = [channels(x)];
    return g.BatchNormalization(x, draw(c), draw(c), draw(c), draw(c, 0.5));
  },
  (g, x) => g.Relu(x),
  (g, x) => g.Sigmoid(x),
  // A residual: the branch takes the width of what it is added to.
  (g, x, other, _, draw) => g.Add(conv(g, x, channels(other), 1, draw), other),
  (g, x, other) => g.Concat(x, other, { axis: 1 }),
  (g, x, _, __, draw) => conv(g, x, channels(x) * 2, channels(x), draw),
  (g, x, _, width, draw) => conv(g, conv(g, x, width * 2, 1, draw), width * 2, 2, draw),
  // Half of the channels go one way, half the other.
  (g, x, _, width, draw) => {
    const even = conv(g, x, width * 2, 1, draw);
    const [a, b] = g.emit('Split', [even], { axis: 1, num_outputs: 2 }, { outputs: 2 });
    return g.Mul(g.Sigmoid(a!), b!);
  },
  (g, x) => g.Slice(x, [1], [channels(x)], [1]),
  (g, x) => g.Pad(x, [0, 1, 0, 0, 0, 2, 0, 0]),
  (g, x, _, __, draw) => g.Mul(x, draw([1, channels(x), 1, 1])),
  (g, x, _, __, draw) => g.PRelu(x, draw([channels(x), 1, 1])),
  // Squeeze and excite.
  (g, x, _, width, draw) => {
    const c = channels(x);
    const seen = g.Reshape(g.GlobalAveragePool(x), [2, c]);
    const gate = g.Sigmoid(g.MatMul(g.Relu(g.MatMul(seen, draw([c, width]))), draw([width, c])));
    return g.Mul(x, g.Reshape(gate, [2, c, 1, 1]));
  },
  // Channels last and back.
  (g, x, _, width, draw) => {
    const last = g.Transpose(x, { perm: [0, 2, 3, 1] });
    const made = g.Add(g.MatMul(last, draw([channels(x), width])), draw([width]));
    return g.Transpose(made, { perm: [0, 3, 1, 2] });
  },
  // Shuffle: two groups of channels, interleaved.
  (g, x, _, width, draw) => {
    const even = conv(g, x, width * 2, 1, draw);
    const apart = g.Transpose(g.Reshape(even, [2, 2, width, 6, 6]), { perm: [0, 2, 1, 3, 4] });
    return g.Reshape(apart, [2, width * 2, 6, 6]);
  },
  (g, x, _, __, draw) => g.InstanceNormalization(x, draw([channels(x)]), draw([channels(x)])),
  (g, x, _, width, draw) => {
    const even = conv(g, x, width * 2, 1, draw);
    return g.GroupNormalization(even, draw([width * 2]), draw([width * 2]), { num_groups: width });
  },
  // What a norm mixes stays whole, and so does all that is added to it.
  (g, x, _, __, draw) => {
    const last = g.Transpose(x, { perm: [0, 2, 3, 1] });
    const [normal] = g.emit('LayerNormalization', [last, draw([channels(x)]), draw([channels(x)])]);
    return g.Transpose(normal!, { perm: [0, 3, 1, 2] });
  },
  (g, x, _, width, draw) =>
    g.ConvTranspose(x, draw([channels(x), width, 3, 3]), draw([width]), { pads: [1, 1, 1, 1], kernel_shape: [3, 3] }),
  // Channels become places, and are pooled.
  (g, x, _, width, draw) => {
    const wide = g.DepthToSpace(conv(g, x, width * 4, 1, draw), { blocksize: 2 });
    return g.MaxPool(wide, { kernel_shape: [2, 2], strides: [2, 2] });
  },
  // Attention over places: two heads, and a residual.
  (g, x, _, width, draw) => {
    const c = channels(x);
    const tokens = g.Transpose(g.Reshape(x, [2, c, 36]), { perm: [0, 2, 1] });
    const heads = (perm: readonly number[]): StaticValue =>
      g.Transpose(g.Reshape(g.MatMul(tokens, draw([c, 2 * width])), [2, 36, 2, width]), { perm });
    const scores = g.Softmax(g.MatMul(heads([0, 2, 1, 3]), heads([0, 2, 3, 1])), { axis: -1 });
    const mixed = g.Transpose(g.MatMul(scores, heads([0, 2, 1, 3])), { perm: [0, 2, 1, 3] });
    const back = g.MatMul(g.Reshape(mixed, [2, 36, 2 * width]), draw([2 * width, c]));
    return g.Add(x, g.Reshape(g.Transpose(back, { perm: [0, 2, 1] }), [2, c, 6, 6]));
  },
  // A recurrent layer along the places, in both directions.
  (g, x, _, width, draw) => {
    const c = channels(x);
    const time = g.Transpose(g.Reshape(x, [2, c, 36]), { perm: [2, 0, 1] });
    const weights = [draw([2, 4 * width, c]), draw([2, 4 * width, width]), draw([2, 8 * width])];
    const [y] = g.emit('LSTM', [time, ...weights], { hidden_size: width, direction: 'bidirectional' });
    const joint = g.Reshape(g.Transpose(y!, { perm: [0, 2, 1, 3] }), [36, 2, 2 * width]);
    return g.Reshape(g.Transpose(joint, { perm: [1, 2, 0] }), [2, 2 * width, 6, 6]);
  },
  (g, x, _, width, draw) => {
    const c = channels(x);
    const time = g.Transpose(g.Reshape(x, [2, c, 36]), { perm: [2, 0, 1] });
    const weights = [draw([1, 3 * width, c]), draw([1, 3 * width, width]), draw([1, 6 * width])];
    const [y] = g.emit('GRU', [time, ...weights], { hidden_size: width, linear_before_reset: 1 });
    return g.Reshape(g.Transpose(g.Squeeze(y!, [1]), { perm: [1, 2, 0] }), [2, width, 6, 6]);
  },
];

/** The number of kinds of layer. */
export const KINDS = LAYERS.length;
