import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { conv2d, dense, flatten, relu, sequential } from '../nn/index.ts';
import { nodeOps, writeModel } from '../onnx/index.ts';
import { infer } from '../ops/infer.ts';
import { type Engine, type Lab, openEngine } from '../runtime/index.ts';
import { batchFor } from './observe.ts';
import { quantize } from './quantize.ts';
import { saturates } from './saturate.ts';
import { areBrief, sideBySide } from './side-by-side.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 2 });
});
afterAll(() => engine[Symbol.dispose]());

const net = (size: number) =>
  sequential([conv2d(8, 3), relu(), conv2d(8, 3), relu(), flatten(), dense(4)], { input: [3, size, size] });
const chosen = (size: number, lab: Lab): number | undefined => {
  const { graph } = net(size);
  return sideBySide(graph, infer(graph), 8, lab).replicas;
};

describe('runs side by side', () => {
  it('are chosen for small values, up to what a process has in flight', () => {
    expect(chosen(16, { engine })).toBe(2);
    expect(chosen(16, { engine, threads: 16 })).toBe(3);
    expect(chosen(1024, { engine })).toBeUndefined();
  });

  it('are left alone where somebody chose, and where there is one thread', () => {
    expect(chosen(16, { engine, replicas: 1 })).toBe(1);
    expect(chosen(16, { engine, threads: 1 })).toBeUndefined();
    const wasm: Engine = { ...engine, name: 'wasm' };
    expect(chosen(16, { engine: wasm })).toBeUndefined();
  });

  it('are kept where the answers are few', () => {
    const { graph } = net(16);
    expect(areBrief(graph, infer(graph), 32)).toBe(true);
    expect(areBrief(graph, infer(graph), 20_000)).toBe(false);
  });

  it('give the same file as one run after the other', async () => {
    const source = random(7, 'side by side');
    const pixels = Float32Array.from({ length: 40 * 3 * 256 }, () => source.normal());
    const data = inMemory({ name: 'images', inputs: { x: { dtype: 'float32', dims: [3, 16, 16], data: pixels } } });
    const [one, two] = [
      await quantize(net(16), { data }, { engine, threads: 1 }),
      await quantize(net(16), { data }, { engine }),
    ];
    expect(writeModel(two.model)).toEqual(writeModel(one.model));
    expect(two.report.agreement.samples).toBe(32);
    expect(two.report.agreement.cosine).toBeCloseTo(one.report.agreement.cosine, 12);
  });
});

it('takes more samples to a run of what takes next to no memory', () => {
  const [small, large] = [net(16).graph, net(64).graph];
  expect(batchFor(large, [])).toBe(8);
  expect(batchFor(small, [])).toBeGreaterThan(8);
  expect(batchFor(small, [])).toBeLessThanOrEqual(32);
  expect(batchFor(large, [], infer(large), 32)).toBe(32);
});

it('asks an engine once whether it saturates', async () => {
  let loads = 0;
  const load: Engine['load'] = (...args) => {
    loads += 1;
    return engine.load(...args);
  };
  const asked: Engine = { ...engine, load };
  const answers = await Promise.all([saturates(asked), saturates(asked)]);
  expect(new Set([...answers, await saturates(asked)]).size).toBe(1);
  expect(loads).toBe(1);
});

it('reads the ops of a file and nothing else', () => {
  expect(nodeOps(writeModel(net(16)))).toEqual(net(16).graph.nodes.map(({ op }) => op));
});
