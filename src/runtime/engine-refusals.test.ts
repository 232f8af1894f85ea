/** What every engine refuses, asked of both: each in words that name the fault. */

import { expect, it } from 'vitest';
import { A, ADD, B, onBothEngines, SUM, thrown } from '../../test/engines.ts';
import { DTYPES } from '../graph/dtype.ts';
import { elements, float32, floats, int64, zeros } from '../graph/tensor.ts';
import { openEngine } from './open.ts';
import { tinyOnnx } from './tiny-onnx.ts';

onBothEngines((name, open) => {
  it('explains a wrong feed in its own words', async () => {
    const cases = [
      [{ a: A }, 'Input "b" is missing.'],
      [{ a: A, b: int64([3], [1, 2, 3]) }, 'Input "b" is float32, not int64.'],
      [{ a: A, b: float32([1, 3], [1, 2, 3]) }, 'Input "b" takes [3], not [1, 3].'],
      [{ a: float32([2, 2], [1, 2, 3, 4]), b: B }, 'Input "a" takes [?, 3], not [2, 2].'],
      [{ a: { ...A, dims: [3, 3] }, b: B }, 'The memory of input "a" does not hold float32 [3, 3].'],
      [{ a: A, b: B, bias: B }, 'This graph has no input "bias".'],
      [{ a: A, b: B, A }, 'This graph has no input "A"; did you mean "a"?'],
    ] as const;
    for (const [feeds, message] of cases) {
      for (const work of [() => open.add.run(feeds), () => open.add.bind(feeds, {})]) {
        const error = await thrown(work);
        expect(error.code).toBe('engine/feed');
        expect(error.message).toBe(message);
      }
    }
    expect((await thrown(() => open.add.run({ a: A, b: B }, ['d']))).message).toContain('no output "d"');
    expect((await thrown(() => open.add.bind({ a: A, b: B }, { c: int64([1], [1]) }))).code).toBe('engine/feed');
  });

  it('refuses an output of the wrong size', async () => {
    using binding = open.add.bind({ a: A, b: B }, { c: zeros('float32', [1, 3]) });
    expect((await thrown(() => binding.run())).code).toBe('engine/run');
    expect([...floats((await open.add.run({ a: A, b: B })).c!)]).toEqual(SUM);
  });

  it('names the node that failed', async () => {
    const reshape = tinyOnnx({
      nodes: [{ op: 'Reshape', name: 'fold', inputs: ['x', 's'], outputs: ['y'] }],
      inputs: [
        { name: 'x', dims: ['N'] },
        { name: 's', code: DTYPES.int64.code, dims: [1] },
      ],
      outputs: [{ name: 'y' }],
    });
    using session = await open.engine.load(reshape);
    const error = await thrown(() => session.run({ x: float32([3], [1, 2, 3]), s: int64([1], [2]) }));
    expect(error.code).toBe('engine/run');
    expect(error.message).toContain('Input shape:{3}, requested shape:{2}');
    expect(error.message).not.toMatch(/\.h:|onnxruntime::|ERROR_CODE/);
    expect(error.detail.where).toBe(name === 'native' ? 'fold' : undefined); // WASM does not say
    expect(error.detail.hint).toContain('dynamic axes');
  });

  it('explains why a model does not load', async () => {
    const unknown = tinyOnnx({
      nodes: [{ op: 'Frobnicate', name: 'odd', inputs: ['x'], outputs: ['y'] }],
      inputs: [{ name: 'x', dims: [1] }],
      outputs: [{ name: 'y', dims: [1] }],
    });
    const error = await thrown(() => open.engine.load(unknown));
    expect(error.code).toBe('engine/load');
    expect(error.message).toContain('Frobnicate');
    expect(error.detail.where).toBe(name === 'native' ? 'odd' : undefined);
    expect((await thrown(() => open.engine.load(ADD.subarray(0, ADD.length - 30)))).code).toBe('engine/load');
    expect((await thrown(() => open.engine.load(new Uint8Array(0)))).code).toBe('engine/load');
    expect((await thrown(() => open.engine.load('/nowhere/at-all.onnx'))).code).toBe('engine/load');
  });

  it('leaves out outputs that are no tensors, and says so when one is asked for', async () => {
    const sequence = tinyOnnx({
      nodes: [
        { op: 'SequenceConstruct', inputs: ['x'], outputs: ['s'] },
        { op: 'SequenceLength', inputs: ['s'], outputs: ['n'] },
      ],
      inputs: [{ name: 'x', dims: [2] }],
      outputs: [
        { name: 's', untyped: true },
        { name: 'n', code: DTYPES.int64.code, dims: [] },
      ],
    });
    using session = await open.engine.load(sequence);
    const x = float32([2], [1, 2]);
    expect((await thrown(() => session.run({ x }, ['s']))).code).toBe('engine/type');
    const outputs = await session.run({ x });
    expect(Object.keys(outputs)).toEqual(['n']);
    expect(Number(elements(outputs.n!)[0])).toBe(1);
  });

  it('has no device that is not there', async () => {
    const error = await thrown(() => openEngine({ engine: name, device: 'cuda' }));
    expect(error.code).toBe('engine/device');
    expect(error.message).toContain('cuda');
  });
});
