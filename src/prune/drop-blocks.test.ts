import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { float32 } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { blocksOf, dropBlocks } from './drop-blocks.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const source = random(2, 'blocks');
const drawn = (count: number, scale: number): Float32Array =>
  Float32Array.from({ length: count }, () => scale * source.normal());
const data = inMemory({ name: 'points', inputs: { x: { dtype: 'float32', dims: [8], data: drawn(256, 1) } } });

/** Three residual blocks: of these sizes of weights. */
function network(scales: readonly number[]): Model {
  const building = draft<StaticValue>();
  const { g } = building;
  let h = g.MatMul(g.input('x', 'float32', ['N', 8]), g.constant(float32([8, 8], drawn(64, 1)), 'in'));
  scales.forEach((scale, i) => {
    h = g.Add(h, g.MatMul(g.Relu(h), g.constant(float32([8, 8], drawn(64, scale)), `W${i}`)));
  });
  const y = g.MatMul(h, g.constant(float32([8, 3], drawn(24, 1)), 'out'));
  const graph = building.finish([valueInfo(y.name, 'float32', ['N', 3])]);
  return modelFrom(graph);
}

it('finds the blocks and leaves out those that change least', async () => {
  const model = network([1, 0.01, 0.1]);
  expect(blocksOf(model.graph)).toHaveLength(3);
  const { model: shallow, report } = await dropBlocks(model, { count: 2, data }, { engine });
  expect(report.dropped).toHaveLength(2);
  const { report: half } = await dropBlocks(model, { keepMacs: 0.75, data }, { engine });
  expect(half.dropped).toEqual(report.dropped.slice(0, 2));
  expect(half.after.macs).toBeLessThanOrEqual(0.75 * half.before.macs);
  expect(report.blocks.map(({ likeness }) => likeness)).toEqual(
    report.blocks.map(({ likeness }) => likeness).toSorted((a, b) => b - a),
  );
  expect([...shallow.graph.initializers.keys()].sort()).toEqual(['W0', 'in', 'out']);
  expect(report.after.macs).toBe(report.before.macs - 128);
});

it('says when there are not that many', async () => {
  await expect(dropBlocks(network([1]), { count: 2, data }, { engine })).rejects.toMatchObject({
    code: 'prune/nothing',
  });
});
