import { describe, expect, it } from 'vitest';
import { node as make } from '../../test/node.ts';
import type { Node } from '../graph/model.ts';
import { float32, type Tensor } from '../graph/tensor.ts';
import { any, constant, matchAt, node, oneOf } from './pattern.ts';

const graph = (nodes: readonly Node[], constants: Record<string, Tensor> = {}) => ({
  maker: (name: string) => nodes.find(({ outputs }) => outputs.includes(name)),
  constant: (name: string) => constants[name],
});

describe('matchAt', () => {
  const sigmoid = make('Sigmoid', ['x'], 's');

  it('finds two inputs either way round', () => {
    const swish = node('Mul', [any('x'), node('Sigmoid', [any('x')])], { commutes: true });
    for (const inputs of [
      ['x', 's'],
      ['s', 'x'],
    ]) {
      expect(matchAt(swish, make('Mul', inputs, 'y'), graph([sigmoid]))?.values).toEqual({ x: 'x' });
    }
  });

  it('asks for the same value under the same name', () => {
    const swish = node('Mul', [any('x'), node('Sigmoid', [any('x')])], { commutes: true });
    expect(matchAt(swish, make('Mul', ['z', 's'], 'y'), graph([sigmoid]))).toBeUndefined();
  });

  it('tries each choice until the rest fits too', () => {
    // The first choice fits on its own, but then x stands for something else on the right.
    const pattern = node('Add', [oneOf(any('x'), node('Sigmoid', [any('x')])), any('x')]);
    const found = matchAt(pattern, make('Add', ['s', 'x'], 'y'), graph([sigmoid]));
    expect(found?.values).toEqual({ x: 'x' });
  });

  it('reads constants, attributes and domains', () => {
    const half = float32([], [0.5]);
    const pattern = node('Mul', [any(), constant('c', ({ dims }) => dims.length === 0)]);
    const around = graph([], { c: half, d: float32([1], [0.5]) });
    expect(matchAt(pattern, make('Mul', ['x', 'c'], 'y'), around)?.values).toEqual({ c: 'c' });
    expect(matchAt(pattern, make('Mul', ['x', 'd'], 'y'), around)).toBeUndefined();
    expect(matchAt(pattern, { ...make('Mul', ['x', 'c'], 'y'), domain: 'other' }, around)).toBeUndefined();
    const flagged = node('Mul', [], { attrs: { flag: (attr) => attr?.value === 1 } });
    expect(matchAt(flagged, make('Mul', ['x', 'c'], 'y'), around)).toBeUndefined();
  });

  it('does not take an input that was left out for a value', () => {
    expect(matchAt(node('Clip', [any(), any('low')]), make('Clip', ['x', ''], 'y'), graph([]))).toBeUndefined();
  });

  it('follows only the first output of a node', () => {
    const split: Node = { ...make('Split', ['x'], 'a'), outputs: ['a', 'b'] };
    const pattern = node('Neg', [node('Split', [any('x')])]);
    expect(matchAt(pattern, make('Neg', ['a'], 'y'), graph([split]))).toBeDefined();
    expect(matchAt(pattern, make('Neg', ['b'], 'y'), graph([split]))).toBeUndefined();
  });

  it('names the nodes that must have one reader, the root excepted', () => {
    const pattern = node('Mul', [node('Sigmoid', [any()], { as: 's', once: true }), any()], { once: true });
    expect(matchAt(pattern, make('Mul', ['s', 'x'], 'y'), graph([sigmoid]))?.once).toEqual([sigmoid]);
  });
});
