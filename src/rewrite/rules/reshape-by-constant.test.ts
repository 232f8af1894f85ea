import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '../../../test/run.ts';
import { random } from '../../base/random.ts';
import { valueInfo } from '../../graph/edit.ts';
import type { Model } from '../../graph/model.ts';
import { float32, numbers } from '../../graph/tensor.ts';
import { draft } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import { type Engine, openEngine } from '../../runtime/index.ts';
import { applyRules } from '../apply.ts';
import { reshapeByConstant } from './reshape-by-constant.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

/** x [N, T, 8] as `kept` of its dimensions and what is behind them. */
function network(ends: readonly number[], kept: number): Model {
  const building = draft<StaticValue>();
  const { g } = building;
  const x = g.input('x', 'float32', ['N', 'T', 8]);
  const y = g.Reshape(x, g.Concat(g.Slice(g.Shape(x), [0], [kept], [0]), g.ints(ends), { axis: 0 }));
  const graph = building.finish([valueInfo(y.name, 'float32')]);
  return { ir: 10, opsets: { '': 21 }, graph, producer: { name: 'test', version: '' }, metadata: {} };
}

it.each([
  { ends: [2, 4], kept: 2, to: '0,0,2,4' },
  { ends: [-1], kept: 1, to: '0,-1' },
])('serves inputs of any length: to [$to]', async ({ ends, kept, to }) => {
  const model = network(ends, kept);
  const { model: lean } = applyRules(model, [reshapeByConstant]);
  expect(lean.graph.nodes.map(({ op }) => op)).toEqual(['Reshape']);
  expect(numbers(lean.graph.initializers.get(lean.graph.nodes[0]!.inputs[1]!)!).join()).toBe(to);
  for (const [n, t] of [
    [1, 5],
    [3, 2],
  ] as const) {
    const x = float32([n, t, 8], Float32Array.from({ length: n * t * 8 }, random(n, 'x').normal));
    expect(await run(engine, lean, { x })).toEqual(await run(engine, model, { x }));
  }
});
