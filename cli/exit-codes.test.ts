import { describe, expect, it } from 'vitest';
import { exitCodeOf } from './exit-codes.ts';

describe('exit codes', () => {
  it.each([
    ['internal/bug', 1],
    ['engine/run', 1],
    ['train/diverged', 1],
    ['usage/unknown-flag', 2],
    ['config/unknown', 2],
    ['option/unknown', 2],
    ['file/missing', 2],
    ['onnx/truncated', 2],
    ['graph/cycle', 2],
    ['shape/mismatch', 2],
    ['data/shape', 2],
    ['engine/feed', 2],
    ['parallel/stages', 2],
    ['parallel/rank-lost', 1],
    ['quantize/bits', 2],
    ['train/checkpoint', 2],
    ['engine/device', 4],
    ['engine/missing', 4],
    ['data/network', 5],
    ['grad/missing', 6],
    ['engine/load', 6],
    ['op/unknown', 6],
    ['op/old', 6],
    ['work/aborted', 130],
  ])('%s ends with %i', (code, exit) => {
    expect(exitCodeOf(code)).toBe(exit);
  });
});
