import { expect, it } from 'vitest';
import { node } from '../../test/node.ts';
import type { Node } from '../graph/model.ts';
import { type Tensor, tensor } from '../graph/tensor.ts';
import { neededShare } from './filler.ts';

/** [O = 4, C = 4, 1] with the last output, the last two inputs and one place between them zero. */
const CODES = [1, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0];
const share = (
  kernel: Node,
  codes: Tensor,
  others: readonly Node[] = [],
  zero = 0,
  more: readonly (readonly [string, Tensor])[] = [],
): number => {
  const constants = new Map<string, Tensor>([...more, ['w', codes], ['z', tensor('int8', [], [zero])]]);
  return neededShare(
    kernel,
    (name) => constants.get(name),
    (name) => others.find(({ outputs }) => outputs[0] === name),
  );
};
const widened = node('DequantizeLinear', ['w', 's', 'z'], 'v');

it('takes off channels of zeros at the end, of outputs and of inputs, in pairs and in integer operators', () => {
  const codes = tensor('int8', [4, 4, 1], CODES);
  expect(share(node('Conv', ['x', 'v'], 'y'), codes, [widened])).toBeCloseTo((3 / 4) * (2 / 4), 12);
  const integer = node('QLinearConv', ['x', 'xs', 'xz', 'w', 's', 'z'], 'y');
  expect(share(integer, codes)).toBeCloseTo((3 / 4) * (2 / 4), 12);
});

it('sees codes of 4 bits behind the node that widens them', () => {
  const packed: Tensor = { dtype: 'int4', dims: [4, 4, 1], bytes: Uint8Array.of(0x11, 0, 0x10, 0, 0x11, 0, 0, 0) };
  const pair = [node('Cast', ['w'], 'c'), node('DequantizeLinear', ['c', 's'], 'v')];
  expect(share(node('Conv', ['x', 'v'], 'y'), packed, pair)).toBeCloseTo((3 / 4) * (2 / 4), 12);
});

it('takes off what padding puts between the columns of a strip', () => {
  const codes = tensor('int8', [4, 4, 1], CODES);
  const pads = (name: string) => node('Pad', ['w', 'p'], name);
  const strip = [
    pads('a'),
    pads('b'),
    node('Concat', ['a', 'b'], 'c'),
    node('Reshape', ['c', 'dims'], 'd'),
    node('DequantizeLinear', ['d', 's', 'z'], 'v'),
  ];
  const more = [['p', tensor('int64', [6], BigInt64Array.of(0n, 0n, 2n, 0n, 0n, 1n))]] as const;
  expect(share(node('Conv', ['x', 'v'], 'y'), codes, strip, 0, more)).toBeCloseTo(((3 / 4) * (2 / 4)) / 4, 12);
});

it('counts all where zero is another code, where all is zero, and of matrices and floats', () => {
  const kernel = node('Conv', ['x', 'v'], 'y');
  expect(share(kernel, tensor('int8', [4, 4, 1], CODES), [widened], 3)).toBe(1);
  expect(share(kernel, tensor('int8', [4, 4, 1], new Int8Array(16)), [widened])).toBe(1);
  expect(share(kernel, tensor('int8', [4, 4], CODES), [widened])).toBe(1);
  expect(share(node('Conv', ['x', 'w'], 'y'), tensor('float32', [4, 4, 1], CODES))).toBe(1);
});
