import { afterAll, beforeAll, expect, it } from 'vitest';
import { valueInfo } from '../graph/edit.ts';
import { float32, floats } from '../graph/tensor.ts';
import { writeModel } from '../onnx/index.ts';
import { type Engine, openEngine } from './index.ts';
import { steadyRun } from './steady-run.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

/** y = 2 · x over [N, 2], with an output of which the model states this many rows. */
const twice = (rows: number | string) =>
  writeModel({
    ir: 10,
    opsets: { '': 21 },
    producer: { name: '', version: '' },
    metadata: {},
    graph: {
      name: 'twice',
      nodes: [{ op: 'Add', domain: '', name: '', inputs: ['x', 'x'], outputs: ['y'], attrs: {} }],
      inputs: [valueInfo('x', 'float32', ['N', 2])],
      outputs: [valueInfo('y', 'float32', [rows, 2])],
      initializers: new Map(),
      values: new Map(),
    },
  });

it('runs into the answer it was given', async () => {
  using session = await engine.load(twice('N'));
  const y = float32([3, 2], new Float32Array(6));
  using steady = await steadyRun(session, { x: float32([3, 2], Float32Array.of(1, 2, 3, 4, 5, 6)) }, { y });
  floats(y).fill(0);
  await steady.run();
  expect([...floats(y)]).toEqual([2, 4, 6, 8, 10, 12]);
});

it('runs where the model states sizes that are not so', async () => {
  using session = await engine.load(twice(1));
  using steady = await steadyRun(session, { x: float32([3, 2], new Float32Array(6)) });
  await steady.run();
});
