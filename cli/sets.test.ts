import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Dim, Model } from '../src/graph/model.ts';
import { type Builder, draft } from '../src/ops/builder.ts';
import type { Value } from '../src/ops/op.ts';
import { type Engine, openEngine } from '../src/runtime/index.ts';
import type { CommonValues } from './common-args.ts';
import { openSets } from './sets.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const values = {
  data: 'random',
  dim: [] as readonly string[],
  ignore: [] as readonly string[],
  seed: 0,
} as CommonValues;

function modelOf(build: (g: Builder<Value>) => Value): Model {
  const { g, finish } = draft<Value>();
  const y = build(g);
  const graph = finish([{ name: y.name, type: { kind: 'tensor', dtype: y.dtype } }]);
  return { ir: 10, opsets: { '': 21 }, graph, producer: { name: '', version: '' }, metadata: {} };
}

async function open(model: Model, dim: readonly string[] = []) {
  const notes: string[] = [];
  const note = (text: string): void => void notes.push(text);
  return { notes, sets: await openSets(model, { ...values, dim }, note, async () => ({ engine, seed: 0 })) };
}

describe('random inputs', () => {
  const windows = modelOf((g) => g.Relu(g.reshape(g.input('x', 'float32', ['N', 'T', 3]), [-1, 5, 3])));

  it('have the length at which the model runs', async () => {
    const { sets, notes } = await open(windows);
    expect(sets!.train!.inputs['x']!.dims).toEqual([5, 3]);
    expect(notes[0]).toBe('T taken as 5 (--dim T=… sets it)');
  });

  it('have the length that was asked for', async () => {
    const { sets, notes } = await open(windows, ['T=10']);
    expect(sets!.train!.inputs['x']!.dims).toEqual([10, 3]);
    expect(notes.join()).not.toContain('taken as');
  });

  it('are left out where steps come first in one input and samples in another', async () => {
    const input = (g: Builder<Value>, name: string, dims: Dim[]): Value => g.input(name, 'float32', dims);
    const { sets, notes } = await open(modelOf((g) => g.Add(input(g, 'x', [7, 'N', 4]), input(g, 'h', ['N', 4]))));
    expect(sets).toBeUndefined();
    expect(notes).toEqual(['the inputs share no batch axis: nothing is scored on random samples']);
  });
});
