import { expect, it } from 'vitest';
import type { Dataset } from '../data/index.ts';
import type { StepCall } from '../recipe/index.ts';
import { mannerFor } from './manner.ts';
import type { Quest } from './quest.ts';
import type { Trial } from './workshop.ts';

const trial = (drop: number, calls: readonly StepCall[] = []): Trial => ({
  ...{ key: JSON.stringify(calls), calls, drop, distance: 0, seconds: 1, notes: [] },
  ...{ bytes: 1, macs: 1e6, parameters: 1, latencyRatio: 1, latencyMs: 1 },
});

/** A search in which lessons lose what `dropOf` says; grown steps are kept in `asked`. */
function searchWhere(dropOf: (call: StepCall) => number, { isLabelled = true, isNormalized = false } = {}) {
  const asked: StepCall[] = [];
  const quest = {
    bench: { learn: { size: 10_000 } as Dataset },
    judge: { isLabelled },
    manners: new Map(),
    workshop: {
      trials: [],
      modelOf: async () => ({ graph: { nodes: [{ op: isNormalized ? 'BatchNormalization' : 'Conv' }] } }),
      async grow(_: Trial, call: StepCall) {
        asked.push(call);
        return trial(dropOf(call), [call]);
      },
    },
  };
  return { asked, quest: quest as unknown as Quest };
}

const LONG = 1e7;

it('takes the optimiser that loses least in a short lesson, then the share of labels, and remembers both', async () => {
  const { asked, quest } = searchWhere(
    ({ optimizer, labels }) => (optimizer === 'sgd' ? 0.1 : 0.3) + (labels === 1 ? -0.05 : 0),
  );
  const manner = await mannerFor('distill', quest, trial(0.5), LONG);
  expect(manner).toEqual({ optimizer: 'sgd', labels: 1 });
  expect(asked.map(({ optimizer }) => optimizer)).toEqual(['adam', 'lamb', 'sgd', 'sgd', 'sgd']);
  expect(asked.every(({ epochs, samples }) => epochs === 1 && (samples as number) < 10_000)).toBe(true);
  expect(await mannerFor('distill', quest, trial(0.5), LONG)).toBe(manner);
  expect(asked.length).toBe(5);
});

it('keeps the optimiser that taught the original, and does not try labels where there are none', async () => {
  const { asked, quest } = searchWhere(() => 0.1, { isLabelled: false });
  quest.manners.set('tune', { optimizer: 'adam' });
  expect(await mannerFor('distill', quest, trial(0.5), LONG)).toEqual({ optimizer: 'adam' });
  expect(asked).toEqual([]);
});

it('teaches networks with batch normalisation by SGD', async () => {
  const { asked, quest } = searchWhere(() => 0.1, { isLabelled: false, isNormalized: true });
  expect(await mannerFor('distill', quest, trial(0.5), LONG)).toEqual({ optimizer: 'sgd' });
  expect(asked).toEqual([]);
});

it('tries nothing where there is no time: a rate that suits all is taken', async () => {
  const { asked, quest } = searchWhere(() => 0.1);
  expect(await mannerFor('distill', quest, trial(0.5), 100)).toEqual({ optimizer: 'lamb' });
  expect(asked).toEqual([]);
});
