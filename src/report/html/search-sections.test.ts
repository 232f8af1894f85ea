import { expect, it } from 'vitest';
import type { Claim, SearchSummary, TrialPoint } from '../search.ts';
import { searchTop } from './search-sections.ts';

const claim: Claim = {
  metric: 'accuracy',
  drop: -0.045,
  low: -0.07,
  high: -0.0199,
  confidence: 0.95,
  samples: 1000,
  lost: 60,
  won: 105,
  maxDrop: 0.01,
  about: 'the right class',
};
const trial = (drop: number): TrialPoint => ({
  recipe: `loses ${drop}`,
  drop,
  latencyRatio: 0.5,
  bytes: 1000,
  isFrontier: true,
  isChosen: drop < 0,
});
const page = (of: Claim): string => {
  const search = { claim: of, steps: [], trials: [trial(0.02), trial(-0.04)], latency: 'measured' };
  return searchTop(search as unknown as SearchSummary).markup;
};

it('calls a loss below 0 a gain, in the claim and in the plots', () => {
  expect(page(claim)).toContain(
    'accuracy rose by 4.50 %; with 95 % confidence the gain lies between 1.99 % and 7.00 %.',
  );
  expect(page(claim)).toContain('4 % gained on the search samples');
  expect(page(claim)).toContain('2 % lost on the search samples');
  expect(page({ ...claim, drop: 0.004, low: -0.002, high: 0.009 })).toContain(
    'fell by 0.40 %; with 95 % confidence the loss lies between −0.20 % and 0.90 %.',
  );
});
