import { afterAll, beforeAll, expect, it } from 'vitest';
import { inMemory } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { draft } from '../ops/builder.ts';
import { modelOf } from '../ops/model-of.ts';
import type { Value } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { judgeOf } from './judge.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

/** The class as scikit-learn's classifiers give it, before the scores or alone. */
function classifier(hasScores: boolean, flip = 1): Model {
  const { g, finish } = draft<Value>();
  const scores = g.Mul(g.input('x', 'float32', ['N', 4]), flip);
  const label = g.ArgMax(scores, { axis: 1, keepdims: 0 });
  return modelOf({ finish }, label, ...(hasScores ? [g.Softmax(scores)] : []));
}
const rows = Float32Array.from({ length: 40 * 4 }, (_, i) => Math.sin(i * i));
const best = BigInt64Array.from({ length: 40 }, (_, i) => {
  const row = [...rows.subarray(4 * i, 4 * i + 4)];
  return BigInt(row.indexOf(Math.max(...row)));
});
const inputs = { x: { dtype: 'float32', dims: [4], data: rows } } as const;
const labelled = inMemory({ name: 'rows', inputs, labels: { dtype: 'int64', dims: [], data: best } });

it.each([true, false])(
  'a model that gives the class itself is scored by it (scores beside it: %s)',
  async (hasScores) => {
    const judge = await judgeOf(classifier(hasScores), labelled, { engine });
    expect(judge.before.metric).toEqual({ name: 'accuracy', value: 1 });
    const worst = await judge.score(classifier(hasScores, -1));
    expect(worst.metric.value).toBe(0);
    const unlabelled = await judgeOf(classifier(hasScores), inMemory({ name: 'rows', inputs }), { engine });
    expect(unlabelled.before.metric).toEqual({ name: 'agreement', value: 1 });
    expect((await unlabelled.score(classifier(hasScores, -1))).metric.value).toBe(0);
  },
);
