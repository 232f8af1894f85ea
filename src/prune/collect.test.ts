import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inMemory } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { float32 } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { modelFrom } from '../ops/model-of.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { predictAll } from '../train/index.ts';
import { collect } from './collect.ts';
import { solve } from './group.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

// y = (x · V) · W, both weights known; cross-entropy against labels.
const V = [1, -0.5, 0.25, 0.5, 1, -1];
const W = [0.5, -1, 1, 0.25, -0.75, 0.5];
const X = [1, 2, -1, 0.5, 0.3, -0.7];
const LABELS = [0, 1, 1];

function network(): Model {
  const building = draft<StaticValue>();
  const { g } = building;
  const x = g.input('x', 'float32', ['N', 2]);
  const hidden = g.MatMul(x, g.constant(float32([2, 3], V), 'V'));
  const y = g.MatMul(hidden, g.constant(float32([3, 2], W), 'W'));
  const graph = building.finish([valueInfo(y.name, 'float32', ['N', 2])]);
  return modelFrom(graph);
}

const data = inMemory({
  name: 'three',
  inputs: { x: { dtype: 'float32', dims: [2], data: Float32Array.from(X) } },
  labels: { dtype: 'int64', dims: [], data: BigInt64Array.from(LABELS, BigInt) },
});

/** Slopes of one sample's loss by hand: dW = hᵀ(p − t), dV = xᵀ((p − t)Wᵀ). */
function byHand(sample: number): { dV: number[]; dW: number[]; h: number[] } {
  const x = X.slice(2 * sample, 2 * sample + 2);
  const h = [0, 1, 2].map((j) => x[0]! * V[j]! + x[1]! * V[3 + j]!);
  const y = [0, 1].map((k) => h.reduce((sum, value, j) => sum + value * W[2 * j + k]!, 0));
  const total = Math.exp(y[0]!) + Math.exp(y[1]!);
  const d = y.map((value, k) => Math.exp(value) / total - (k === LABELS[sample] ? 1 : 0));
  const dH = [0, 1, 2].map((j) => d[0]! * W[2 * j]! + d[1]! * W[2 * j + 1]!);
  return {
    h,
    dW: h.flatMap((value) => d.map((slope) => value * slope)),
    dV: x.flatMap((value) => dH.map((slope) => value * slope)),
  };
}

const mean = (lists: readonly (readonly number[])[]): number[] =>
  lists[0]!.map((_, i) => lists.reduce((sum, list) => sum + list[i]!, 0) / lists.length);
const close = (got: ArrayLike<number>, expected: readonly number[]): void => {
  for (const [i, value] of expected.entries()) expect(got[i]).toBeCloseTo(value, 5);
};

describe('collect', () => {
  const model = network();
  const solved = solve(model.graph);
  const samples = [0, 1, 2].map(byHand);

  it('takes the mean slope over all samples', async () => {
    const { gradients } = await collect(model, solved, { engine }, { needs: ['gradient'], data });
    close(gradients.get('W')!, mean(samples.map(({ dW }) => dW)));
    close(gradients.get('V')!, mean(samples.map(({ dV }) => dV)));
  });

  it('squares the change of each batch before it takes the mean', async () => {
    // Batches of all three samples: one batch, whose mean loss moves by the mean of the samples' Σ w·g.
    const { changes } = await collect(model, solved, { engine }, { needs: ['change'], data });
    const place = solved.groups[0]!.places.find(({ value }) => value === 'W')!;
    const slope = mean(samples.map(({ dW }) => dW));
    const change = [0, 1, 2].map((j) => (W[2 * j]! * slope[2 * j]! + W[2 * j + 1]! * slope[2 * j + 1]!) ** 2);
    close(changes.get(place)!, change);
  });

  it('does not let changes of different signs cancel: one sample a batch', async () => {
    const single = { ...model, graph: { ...model.graph, inputs: [valueInfo('x', 'float32', [1, 2])] } };
    const alone = solve(single.graph);
    const { changes } = await collect(single, alone, { engine }, { needs: ['change'], data });
    const place = alone.groups[0]!.places.find(({ value }) => value === 'W')!;
    const each = samples.map(({ dW }) =>
      [0, 1, 2].map((j) => (W[2 * j]! * dW[2 * j]! + W[2 * j + 1]! * dW[2 * j + 1]!) ** 2),
    );
    close(changes.get(place)!, mean(each));
  });

  it('is the slope of the loss along the channel, on feature maps of any size', async () => {
    const drawn = (count: number, at: number): Float32Array =>
      Float32Array.from({ length: count }, (_, i) => Math.sin(1.7 * i + at));
    const maps = (scale: number, unit: number): Model => {
      const building = draft<StaticValue>();
      const { g } = building;
      const filters = drawn(4 * 27, 1).map((w, i) => (Math.floor(i / 27) === unit ? w * scale : w));
      const h = g.Tanh(
        g.Conv(g.input('x', 'float32', ['N', 3, 7, 5]), g.constant(float32([4, 3, 3, 3], filters), 'V')),
      );
      const y = g.Conv(h, g.constant(float32([2, 4, 1, 1], drawn(8, 2)), 'W'));
      return { ...network(), graph: building.finish([valueInfo(y.name, 'float32', ['N', 2, 5, 3])]) };
    };
    const images = inMemory({
      name: 'maps',
      inputs: { x: { dtype: 'float32', dims: [3, 7, 5], data: drawn(8 * 105, 3) } },
    });
    const dense = maps(1, 0);
    const { changes } = await collect(dense, solve(dense.graph), { engine }, { needs: ['change'], data: images });
    const change = [...changes].find(([{ value, axis }]) => value === 'V' && axis === 0)![1];
    /** ½ · mean y², what a network without classes is taken to lose by. */
    const lossOf = async (scale: number, unit: number): Promise<number> => {
      const model = maps(scale, unit);
      const { values } = await predictAll(model, images, model.graph.outputs[0]!.name, {}, { engine });
      return values.reduce((sum, y) => sum + y * y, 0) / values.length / 2;
    };
    for (let unit = 0; unit < 4; unit++) {
      const slope = ((await lossOf(1.01, unit)) - (await lossOf(0.99, unit))) / 0.02;
      expect(change[unit]! / slope ** 2).toBeCloseTo(1, 2);
    }
  });

  it('squares the slope of each sample before it takes the mean', async () => {
    const { squares } = await collect(model, solved, { engine }, { needs: ['square'], data });
    close(squares.get('W')!, mean(samples.map(({ dW }) => dW.map((slope) => slope ** 2))));
    close(squares.get('V')!, mean(samples.map(({ dV }) => dV.map((slope) => slope ** 2))));
  });

  it('measures what the weights read', async () => {
    const { activations } = await collect(model, solved, { engine }, { needs: ['activation'], data });
    const [only] = [...activations.values()];
    expect(activations.size).toBe(1);
    close(only!.mean, mean(samples.map(({ h }) => h.map(Math.abs))));
    close(only!.rms, mean(samples.map(({ h }) => h.map((value) => value ** 2))).map(Math.sqrt));
  });

  it('says what data it lacks', async () => {
    await expect(collect(model, solved, { engine }, { needs: ['gradient'] })).rejects.toMatchObject({
      code: 'prune/data',
    });
  });
});
