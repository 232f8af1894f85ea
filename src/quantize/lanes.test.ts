import { expect, it } from 'vitest';
import { missingLanes, widenCodes } from './lanes.ts';

it('adds channels up to the next four, to whole convolutions of few channels only', () => {
  expect(missingLanes([16, 3, 3, 3], 0, ['N', 3, 8, 8])).toBe(1);
  expect(missingLanes([16, 1, 3, 3], 0, ['N', 1, 8, 8])).toBe(3);
  expect(missingLanes([16, 8, 3, 3], 0, ['N', 8, 8, 8])).toBe(0);
  expect(missingLanes([16, 1, 3, 3], 0, ['N', 16, 8, 8])).toBe(0); // depthwise
  expect(missingLanes([16, 67, 3, 3], 0, ['N', 67, 8, 8])).toBe(0);
  expect(missingLanes([3, 10], 1, ['N', 3])).toBe(0); // a matrix
});

it('puts zeros behind the channels of each output', () => {
  // [O = 2, C = 1, 2] → [2, 3, 2]
  const wide = widenCodes(Int8Array.of(1, 2, 3, 4), [2, 1, 2], 2);
  expect([...wide]).toEqual([1, 2, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0]);
});
