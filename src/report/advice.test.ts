import { expect, it } from 'vitest';
import { adviceOn } from './advice.ts';

const layer = (name: string, relL2: number) => ({ name, op: 'Conv', relL2, maxAbs: relL2, cosine: 1 });
const output = (relL2: number) => ({ name: 'y', relL2, maxAbs: relL2, cosine: 1 });

it('is content with what rounding to 8 bits gives', () => {
  const { startsAt, sentences } = adviceOn({ outputs: [output(0.01)], layers: [layer('a', 0.005)] });
  expect(startsAt).toBeUndefined();
  expect(sentences).toEqual(['The outputs agree within what 8-bit rounding gives.']);
});

it('names the layer at which the error starts, and how to leave it out', () => {
  const layers = [layer('a', 0.004), layer('b', 0.3), layer('c', 0.31), layer('d', 0.29)];
  const { startsAt, sentences } = adviceOn({ outputs: [output(0.3)], layers });
  expect(startsAt).toBe('b');
  expect(sentences.join(' ')).toContain('starts at Conv "b" (relative L2 30.0 %)');
  expect(sentences.join(' ')).toContain('--exclude b');
});

it('tells an error that grows from one that jumps', () => {
  const layers = Array.from({ length: 12 }, (_, i) => layer(`l${i}`, 0.012 * 1.3 ** i));
  expect(adviceOn({ outputs: [output(0.3)], layers }).sentences.at(-1)).toContain('grows little by little');
});

it('does not call outputs alike that are no numbers', () => {
  const { startsAt, sentences } = adviceOn({
    outputs: [output(Number.NaN)],
    layers: [layer('a', 0), layer('b', Number.NaN)],
  });
  expect(startsAt).toBe('b');
  expect(sentences.join(' ')).toContain('"y" of one of the two is no number, first seen at Conv "b"');
});

it('says when nothing tells where the error starts, and gives no advice that contradicts itself', () => {
  expect(adviceOn({ outputs: [output(1)], layers: [] }).sentences).toEqual([
    'The outputs differ; no inner value has the same name in both, so where that starts cannot be told.',
  ]);
  const [only, ...more] = adviceOn({ outputs: [output(1)], layers: [layer('a', 0.01)] }).sentences;
  expect([only, more]).toEqual([expect.stringContaining('the last layers make the error'), []]);
});
