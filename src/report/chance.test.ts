import { expect, it } from 'vitest';
import { inMemory } from '../data/index.ts';
import { chanceNote, LEARNT } from './chance.ts';

const labelled = (labels: readonly number[]) =>
  inMemory({
    name: 'labelled',
    inputs: { x: { dtype: 'float32', dims: [1], data: new Float32Array(labels.length) } },
    labels: { dtype: 'int64', dims: [], data: BigInt64Array.from(labels, BigInt) },
  });
const tenths = labelled(Array.from({ length: 1000 }, (_, i) => i % 10));

it('tells a score that one answer for all samples reaches as well', () => {
  expect(chanceNote({ name: 'accuracy', value: 0.0987 }, tenths)).toContain('9.87 % is no better than one answer');
  expect(chanceNote({ name: 'accuracy', value: 0.125 }, tenths)).toBeDefined();
  expect(
    chanceNote({ name: 'accuracy', value: 0.75 }, labelled([...Array(90).fill(0), ...Array(10).fill(1)])),
  ).toContain('90.00 %');
});

it('asks of a model that has just learnt for more lessons', () => {
  expect(chanceNote({ name: 'accuracy', value: 0.1 }, tenths, LEARNT)).toMatch(/10\.00 %\): more epochs/);
});

it('says nothing of other scores, of one class alone, or of few samples', () => {
  expect(chanceNote({ name: 'accuracy', value: 0.2 }, tenths)).toBeUndefined();
  expect(chanceNote({ name: 'agreement', value: 0.1 }, tenths)).toBeUndefined();
  expect(chanceNote({ name: 'accuracy', value: 1 }, labelled(Array(100).fill(0)))).toBeUndefined();
  expect(chanceNote({ name: 'accuracy', value: 0.5 }, labelled([0, 1]))).toBeUndefined();
});
