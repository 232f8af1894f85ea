/** Channels that lie inside blocks: heads of a joint projection, states of two directions, groups of a norm. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { float32, int64, type Tensor } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { type Group, solve } from './group.ts';
import { settle } from './settle.ts';
import { agreement, TOLERANCE } from './verify.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

type G = ReturnType<typeof draft<StaticValue>>['g'];
const source = random(9, 'follow');
const drawn = (...dims: number[]): Tensor =>
  float32(
    dims,
    Float32Array.from({ length: dims.reduce((n, dim) => n * dim, 1) }, () => 0.3 * source.normal()),
  );

/** x [2, ...dims], or of as many samples as are fed, through `make`. */
function network(dims: readonly number[], make: (g: G, x: StaticValue) => StaticValue, batch: number | 'N' = 2): Model {
  const building = draft<StaticValue>();
  const { g } = building;
  const y = make(g, g.input('x', 'float32', [batch, ...dims]));
  const graph = building.finish([valueInfo(y.name, 'float32', [batch, ...y.dims.slice(1)])]);
  return modelFrom(graph);
}

/** Solves, cuts one unit of every group at once, and compares with the masked network. */
async function groupsOf(model: Model): Promise<readonly Group[]> {
  const settled = await settle(model, { engine });
  const solved = solve(settled.graph);
  const cuts = solved.groups.map((group) => ({ group, units: [0] }));
  const { error } = await agreement(settled, solved, cuts, { engine, seed: 1 });
  expect(error).toBeLessThan(TOLERANCE);
  return solved.groups;
}

const sizesOf = (groups: readonly Group[], weight: string): number[] =>
  groups.filter(({ places }) => places.some(({ value }) => value === weight)).map(({ size }) => size);

describe('heads', () => {
  /** Attention of 4 heads of 8 whose queries, keys and values come from one product, as exporters write it. */
  const attention =
    (isDynamic: boolean) =>
    (g: G, x: StaticValue): StaticValue => {
      const [n, time] = x.dims as [number, number];
      const batch = isDynamic ? g.emit('Slice', [g.emit('Shape', [x])[0]!, [0], [1], [0]])[0]! : g.ints([n]);
      const shape = (...rest: number[]): StaticValue => g.Concat(batch, g.ints(rest), { axis: 0 });
      const joint = g.Add(g.MatMul(x, g.constant(drawn(32, 96), 'QKV')), g.constant(drawn(96), 'b'));
      const split = g.Reshape(joint, shape(time, 3, 4, 8)); // [N, T, 3, 4, 8]
      const apart = g.Transpose(split, { perm: [2, 0, 3, 1, 4] }); // [3, N, 4, T, 8]
      const part = (i: number): StaticValue => g.emit('Gather', [apart, g.constant(int64([], [i]))], { axis: 0 })[0]!;
      const [q, k, v] = [part(0), part(1), part(2)];
      const scores = g.Softmax(g.MatMul(q, g.Transpose(k, { perm: [0, 1, 3, 2] })), { axis: -1 });
      const mixed = g.Transpose(g.MatMul(scores, v), { perm: [0, 2, 1, 3] }); // [N, T, 4, 8]
      return g.MatMul(g.Reshape(mixed, shape(time, 32)), g.constant(drawn(32, 32), 'O'));
    };

  it('are cut in queries, keys and values at once, though the outer axis of the joint projection is shut', async () => {
    const groups = await groupsOf(network([6, 32], attention(false)));
    expect(sizesOf(groups, 'QKV')).toEqual([4]);
    expect(sizesOf(groups, 'O')).toEqual([4]);
  });

  it('are followed where the batch is only known at run time', async () => {
    const groups = await groupsOf(network([6, 32], attention(true), 'N'));
    expect(sizesOf(groups, 'QKV')).toEqual([4]);
  });
});

describe('heads that lie in the batch', () => {
  /** Attention as nn.MultiheadAttention writes it: [T, N, 32] -> [T, 4·N, 8]; `size` gives a dimension of x at run time. */
  const attention =
    (isDynamic: boolean) =>
    (g: G, x: StaticValue): StaticValue => {
      const time = g.Transpose(x, { perm: [1, 0, 2] }); // [T, N, 32]
      const dims = time.dims as number[];
      const shape = g.emit('Shape', [time])[0]!;
      const size = (axis: number): StaticValue =>
        isDynamic ? g.emit('Slice', [shape, [axis], [axis + 1], [0]])[0]! : g.ints([dims[axis]!]);
      const [t, n] = [size(0), size(1)];
      const join = (...parts: StaticValue[]): StaticValue => g.Concat(...parts, { axis: 0 });
      const joint = g.Add(g.MatMul(time, g.constant(drawn(32, 96), 'QKV')), g.constant(drawn(96), 'b'));
      const split = g.Unsqueeze(g.Reshape(joint, join(t, n, g.ints([3, 32]))), [0]); // [1, T, N, 3, 32]
      const apart = g.Squeeze(g.Transpose(split, { perm: [3, 1, 2, 0, 4] }), [3]); // [3, T, N, 32]
      const heads = isDynamic ? g.Mul(n, g.ints([4])) : g.ints([dims[1]! * 4]);
      const part = (i: number): StaticValue => {
        const [own] = g.emit('Gather', [apart, g.constant(int64([], [i]))], { axis: 0 });
        const inBatch = g.Transpose(g.Reshape(own!, join(t, heads, g.ints([8]))), { perm: [1, 0, 2] });
        return g.Reshape(inBatch, join(n, g.ints([4]), t, g.ints([8]))); // [N, 4, T, 8]
      };
      const [q, k, v] = [part(0), part(1), part(2)];
      const scores = g.Softmax(g.MatMul(q, g.Transpose(k, { perm: [0, 1, 3, 2] })), { axis: -1 });
      const mixed = g.Transpose(g.MatMul(scores, v), { perm: [2, 0, 1, 3] }); // [T, N, 4, 8]
      const rows = g.Gemm(g.Reshape(mixed, g.ints([-1, 32])), g.constant(drawn(32, 32), 'O'));
      return g.Transpose(g.Reshape(rows, join(t, n, g.ints([32]))), { perm: [1, 0, 2] });
    };

  const partsOf = (groups: readonly Group[]): string => [...sizesOf(groups, 'QKV'), ...sizesOf(groups, 'O')].join();
  /** Four heads, or the eight numbers inside every head. */
  const HEADS_OR_INSIDE = ['4,4', '8,8'];

  it('are followed where the batch is fixed, though several reshapes must be read otherwise at once', async () => {
    const groups = await groupsOf(network([6, 32], attention(false)));
    expect(partsOf(groups)).toBeOneOf(HEADS_OR_INSIDE);
  });

  it('are followed where the batch is only known at run time, and shapes keep more than one open dimension', async () => {
    const groups = await groupsOf(network([6, 32], attention(true), 'N'));
    expect([...sizesOf(groups, 'QKV'), ...sizesOf(groups, 'O')]).toEqual([4, 4]);
  });

  it('are followed in two layers that share their weights', async () => {
    const model = network([6, 32], (g, x) => {
      const one = attention(false)(g, x);
      return attention(false)(g, one);
    });
    // The second layer's weights by the names of the first: they are one.
    const names = new Map(['QKV', 'b', 'O'].map((name) => [`${name}_1`, name]));
    const nodes = model.graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map((name) => names.get(name) ?? name),
    }));
    const groups = await groupsOf({ ...model, graph: { ...model.graph, nodes } });
    expect(partsOf(groups)).toBeOneOf(HEADS_OR_INSIDE);
  });

  it('keep their shape where zero stands for nothing', async () => {
    const model = network([6, 32], (g, x) => {
      const h = g.MatMul(x, g.constant(drawn(32, 32), 'V'));
      const [apart] = g.emit('Reshape', [h, [2, 6, 4, 8]], { allowzero: 1 });
      const [flat] = g.emit('Reshape', [g.Relu(apart!), [2, 6, 32]], { allowzero: 1 });
      return g.MatMul(flat!, g.constant(drawn(32, 3), 'W'));
    });
    expect(sizesOf(await groupsOf(model), 'V')).toEqual([4]);
  });
});

describe('recurrent states', () => {
  it('of two directions go together, and a shared zero state ties no layers', async () => {
    const model = network([5, 6], (g, x) => {
      const zero = g.constant(float32([2, 1, 8], new Float32Array(16)), 'zero');
      const state = g.Expand(zero, [2, x.dims[0]!, 8]);
      const layer = (value: StaticValue, width: number, name: string): StaticValue => {
        const weights = [drawn(2, 32, width), drawn(2, 32, 8), drawn(2, 64)].map((w, i) => g.constant(w, `${name}${i}`));
        const [y] = g.emit('LSTM', [value, ...weights, null, state, state], { direction: 'bidirectional', hidden_size: 8 });
        const turned = g.Transpose(y!, { perm: [0, 2, 1, 3] }); // [T, N, 2, 8]
        return g.reshape(turned, [turned.dims[0]!, turned.dims[1]!, 16]);
      };
      const time = g.Transpose(x, { perm: [1, 0, 2] });
      const hidden = layer(layer(time, 6, 'first'), 16, 'second');
      return g.MatMul(g.ReduceMean(hidden, [0], { keepdims: 0 }), g.constant(drawn(16, 3), 'W'));
    }); // biome-ignore format: dense
    const groups = await groupsOf(model);
    expect([...sizesOf(groups, 'first1'), ...sizesOf(groups, 'second1')]).toEqual([8, 8]);
  });
});

describe('norms over groups', () => {
  it('lose whole groups, written as one op or as reshapes around an instance norm', async () => {
    const spelled = network([3, 6, 6], (g, x) => {
      const h = g.Conv(x, g.constant(drawn(12, 3, 3, 3), 'V'), { kernel_shape: [3, 3] });
      const grouped = g.Reshape(h, g.ints([0, 4, -1]));
      const ones = [g.constant(float32([4], [1, 1, 1, 1]), 's'), g.constant(float32([4], [0, 0, 0, 0]), 'z')];
      const normal = g.reshape(g.InstanceNormalization(grouped, ...ones), h.dims);
      return g.Conv(g.Mul(normal, g.constant(drawn(12, 1, 1), 'scale')), g.constant(drawn(5, 12, 1, 1), 'W'));
    });
    expect(sizesOf(await groupsOf(spelled), 'V')).toEqual([4]);
    const whole = network([3, 6, 6], (g, x) => {
      const h = g.Conv(x, g.constant(drawn(12, 3, 3, 3), 'V'), { kernel_shape: [3, 3] });
      const vectors = [g.constant(drawn(12), 's'), g.constant(drawn(12), 'b')];
      return g.Conv(g.GroupNormalization(h, ...vectors, { num_groups: 3 }), g.constant(drawn(5, 12, 1, 1), 'W'));
    });
    expect(sizesOf(await groupsOf(whole), 'V')).toEqual([3]);
  });
});

describe('vectors that an exporter shares', () => {
  it('tie nothing', async () => {
    const model = network([8], (g, x) => {
      const bias = g.constant(float32([8], new Float32Array(8)), 'bias');
      const first = g.Relu(g.Gemm(x, g.constant(drawn(8, 8), 'A'), bias));
      const second = g.Relu(g.Gemm(first, g.constant(drawn(8, 8), 'B'), g.Identity(bias)));
      return g.MatMul(second, g.constant(drawn(8, 2), 'C'));
    });
    const groups = await groupsOf(model);
    expect(groups.map(({ size }) => size)).toEqual([8, 8]);
  });
});
