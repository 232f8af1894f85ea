import { describe, expect, it } from 'vitest';
import { tensor } from '../graph/tensor.ts';
import { conv2d, dense, flatten, relu, sequential } from '../nn/index.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import type { Value } from '../ops/op.ts';
import { compareLayers, layersOf } from './layers.ts';

describe('layers', () => {
  it('add up to the model', () => {
    const model = sequential([conv2d(4, 3), relu(), flatten(), dense(7)], { input: [2, 6, 6] });
    const all = [...layersOf(model).values()];
    expect(all.reduce((sum, { parameters }) => sum + parameters, 0)).toBe(2 * 4 * 9 + 4 + 4 * 16 * 7 + 7);
    expect(all.reduce((sum, { macs }) => sum + macs, 0)).toBe(16 * 4 * 2 * 9 + 4 * 16 * 7);
  });

  it('count a dequantised weight for the layer that it reaches', () => {
    const building = draft<Value>();
    const { g } = building;
    const x = g.input('x', 'float32', ['N', 4]);
    const scale = g.scalar(0.1);
    const w = g.DequantizeLinear(
      g.constant(tensor('int8', [4, 3], new Int8Array(12)), 'w'),
      scale,
      g.constant(tensor('int8', [], [0]), 'z'),
    );
    const y = g.emit('MatMul', [x, w], {}, { name: 'product' })[0]!;
    const graph = building.finish([{ name: y.name, type: { kind: 'tensor', dtype: y.dtype, dims: y.dims } }]);
    const layers = layersOf(modelFrom(graph));
    expect([...layers.keys()]).toEqual(['product']);
    expect(layers.get('product')).toEqual({ op: 'MatMul', parameters: 12 + 1 + 1, bytes: 12 + 4 + 1, macs: 12 });
  });

  it('pair by name; what is gone or new has one side', () => {
    const before = sequential([dense(8), relu(), dense(3)], { input: [4] });
    const after = sequential([dense(2)], { input: [4] });
    const changes = compareLayers(before, after);
    expect(changes[0]).toMatchObject({ before: { macs: 32 }, after: { macs: 8 } });
    expect(changes[1]).not.toHaveProperty('after');
    expect(compareLayers(after, before)[1]).not.toHaveProperty('before');
  });
});
