import fc from 'fast-check';
import { expect, it } from 'vitest';
import { run } from '../../test/run.ts';
import { valueInfo } from '../graph/edit.ts';
import { numbers, sizeOf, tensor } from '../graph/tensor.ts';
import { type Builder, draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import type { StaticValue } from '../ops/op.ts';
import { openEngine } from '../runtime/index.ts';
import { followBack, sizes, sourcePlaces } from './moved.ts';
import { openNet } from './open-net.ts';

type Move = (g: Builder, x: StaticValue, pick: number) => StaticValue;

const shuffled = (count: number, pick: number): number[] =>
  Array.from({ length: count }, (_, i) => i).sort((a, b) => ((a * 7 + pick) % 5) - ((b * 7 + pick) % 5) || a - b);

const moves: Readonly<Record<string, Move>> = {
  transpose: (g, x, pick) => g.Transpose(x, { perm: shuffled(x.dims.length, pick) }),
  join: (g, x) => (x.dims.length < 2 ? x : g.Reshape(x, [x.dims[0]! * x.dims[1]!, ...x.dims.slice(2)])),
  copy: (g, x) => (x.dims.length < 3 ? x : g.Reshape(x, [0, -1, x.dims.at(-1)!])),
  apart: (g, x, pick) => {
    const at = pick % x.dims.length;
    const half = x.dims[at]! / 2;
    return Number.isInteger(half) ? g.Reshape(x, [...x.dims.slice(0, at), 2, half, ...x.dims.slice(at + 1)]) : x;
  },
  unsqueeze: (g, x, pick) => g.Unsqueeze(x, [pick % (x.dims.length + 1)]),
  squeeze: (g, x) => (x.dims.includes(1) ? g.Squeeze(x, [x.dims.indexOf(1)]) : x),
  flatten: (g, x, pick) => g.Flatten(x, { axis: pick % (x.dims.length + 1) }),
  gather: (g, x, pick) => {
    const axis = pick % x.dims.length;
    return x.dims.length < 2 ? x : g.Gather(x, g.scalar(pick % x.dims[axis]!, 'int64'), { axis });
  },
  slice: (g, x, pick) => {
    const axis = pick % x.dims.length;
    return x.dims[axis]! < 2 ? x : g.Slice(x, [1], [x.dims[axis]!], [axis]);
  },
  split: (g, x, pick) => {
    const axis = pick % x.dims.length;
    const size = x.dims[axis]!;
    return size < 2 ? x : g.emit('Split', [x, [1, size - 1]], { axis }, { outputs: 2 })[pick % 2]!;
  },
  scale: (g, x) => g.Mul(x, 2),
};

it('knows where each element comes from, as the engine moves it', async () => {
  using engine = await openEngine({ threads: 1 });
  const step = fc.tuple(fc.constantFrom(...Object.keys(moves)), fc.nat(11));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 7 }), async (steps) => {
      const { g, finish } = draft();
      const dims = [4, 6, 10];
      let x: StaticValue = g.input('x', 'float32', dims);
      for (const [name, pick] of steps) x = moves[name]!(g, x, pick);
      const end = g.Identity(x);
      const graph = finish([valueInfo(end.name, 'float32', end.dims)]);
      const net = openNet(graph, 21);
      const moved = followBack(end.name, net);
      expect(moved.source).toBe('x');
      expect(moved.factor).toBe(2 ** steps.filter(([name]) => name === 'scale').length);
      const laid = sourcePlaces(moved, sizes(), net)!;
      const model = modelFrom(graph);
      const iota = Float32Array.from({ length: sizeOf(dims) }, (_, i) => i);
      const { [end.name]: y } = await run(engine, model, { x: tensor('float32', dims, iota) });
      expect(laid.dims).toEqual(y!.dims);
      expect([...laid.places]).toEqual(numbers(y!).map((value) => value / moved.factor));
    }),
    { numRuns: 60, seed: 5 },
  );
});
