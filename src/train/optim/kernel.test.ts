/** The compiler of expressions, against Math.fround one weight at a time. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Builder, builder, type Expression, evaluate } from './expression.ts';
import { bytesPerWeight, compile } from './kernel.ts';

/** What an expression means for one weight: every operation in float32, uniform parts in float64 and then rounded. */
function truth(node: Expression, slots: Record<string, number>, scalars: Record<string, number>): number {
  if (node.uniform) return Math.fround(evaluate(node, (name) => scalars[name]!));
  if (node.kind === 'slot') return slots[node.name]!;
  if (node.kind !== 'operation') throw new Error('unreachable');
  const [a, b, x, y] = node.args.map((arg) => truth(arg, slots, scalars)) as [number, number, number, number];
  switch (node.op) {
    case 'add':
      return Math.fround(a + b);
    case 'sub':
      return Math.fround(a - b);
    case 'mul':
      return Math.fround(a * b);
    case 'div':
      return Math.fround(a / b);
    case 'sqrt':
      return Math.fround(Math.sqrt(a));
    case 'abs':
      return Math.abs(a);
    case 'neg':
      return -a;
    case 'min':
      return Math.min(a, b);
    case 'max':
      return Math.max(a, b);
    case 'ifGreater':
      return a > b ? x : y;
    default:
      throw new Error(`${node.op} is for uniform expressions`);
  }
}

type Recipe = { op: string; args: Recipe[] } | { leaf: 'w' | 'g' | 's' | 'lr' } | { value: number };
const recipes = fc.letrec<{ tree: Recipe }>((tie) => {
  const leaf = fc.constantFrom('w', 'g', 's', 'lr').map((name) => ({ leaf: name }) as Recipe);
  const value = fc.double({ min: -4, max: 4, noNaN: true }).map((number) => ({ value: number }) as Recipe);
  const of = (count: number, ...ops: string[]) =>
    fc
      .tuple(fc.constantFrom(...ops), fc.array(tie('tree'), { minLength: count, maxLength: count }))
      .map(([op, args]) => ({ op, args }) as Recipe);
  return {
    tree: fc.oneof(
      { depthSize: 'medium', withCrossShrink: true },
      leaf,
      value,
      of(2, 'add', 'sub', 'mul', 'div', 'min', 'max'),
      of(1, 'sqrt', 'abs', 'neg', 'sign', 'square'),
      of(4, 'ifGreater'),
    ),
  };
}).tree;
const build = (e: Builder, recipe: Recipe): Expression => {
  if ('value' in recipe) return e.constant(recipe.value);
  if ('leaf' in recipe) return recipe.leaf === 'lr' ? e.scalar('lr') : e.slot(recipe.leaf);
  const make = e[recipe.op as 'add'] as (...args: Expression[]) => Expression;
  return make(...recipe.args.map((arg) => build(e, arg)));
};

const memory = new WebAssembly.Memory({ initial: 1 });
const NAMES = ['w', 'g', 's'];
const at = (slot: string): number => 1024 * (1 + NAMES.indexOf(slot));
const numbers = (slot: string, count: number): Float32Array => new Float32Array(memory.buffer, at(slot), count);

describe('a compiled expression', () => {
  it('gives what single float32 operations give, bit by bit, for every count', () => {
    const float = fc.float({ noNaN: true, min: -1e6, max: 1e6 });
    const weights = fc.array(fc.tuple(float, float, float), { minLength: 1, maxLength: 23 });
    fc.assert(
      fc.property(recipes, recipes, weights, fc.double({ min: -2, max: 2, noNaN: true }), (first, second, rows, lr) => {
        const e = builder();
        const outputs = new Map([
          ['w', build(e, first)],
          ['s', build(e, second)],
        ]);
        const kernel = compile({ outputs, sums: [] }, memory);
        NAMES.forEach((slot, k) => {
          numbers(slot, rows.length).set(rows.map((row) => row[k]!));
        });
        kernel.run(
          rows.length,
          0,
          kernel.slots.map(at),
          kernel.scalars(() => lr),
        );
        for (const [slot, expression] of outputs) {
          const expected = rows.map(([w, g, s]) => truth(expression, { w, g, s }, { lr }));
          expect([...numbers(slot, rows.length)]).toEqual(expected);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('sums in float64 and leaves the padding out', () => {
    const e = builder();
    const g = e.slot('g');
    const kernel = compile({ outputs: new Map(), sums: [e.square(g), g] }, memory);
    for (const count of [1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 31]) {
      numbers('g', 64).fill(Number.NaN);
      const values = Float32Array.from({ length: count }, (_, i) => (i === 0 ? 1e4 : 0.125 * i));
      numbers('g', count).set(values);
      kernel.run(count, 0, kernel.slots.map(at), []);
      const squares = [...values].reduce((sum, x) => sum + x * x, 0);
      const plain = [...values].reduce((sum, x) => sum + x, 0);
      expect([...new Float64Array(memory.buffer, 0, 2)]).toEqual([squares, plain]);
    }
  });

  it('works in shared memory', () => {
    const shared = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const e = builder();
    const kernel = compile({ outputs: new Map([['w', e.add(e.slot('w'), 1)]]), sums: [] }, shared);
    kernel.run(5, 0, [64], [1]);
    expect([...new Float32Array(shared.buffer, 64, 5)]).toEqual([1, 1, 1, 1, 1]);
  });

  it('computes a common part once and counts the bytes it moves', () => {
    const e = builder();
    expect(e.add(e.slot('w'), e.mul(2, e.slot('g')))).toBe(e.add(e.slot('w'), e.mul(2, e.slot('g'))));
    const outputs = new Map([['w', e.sub(e.slot('w'), e.slot('g'))]]);
    expect(bytesPerWeight({ outputs, sums: [] })).toBe(12);
  });

  it('works out what all weights share before the call', () => {
    const e = builder();
    const correction = e.sub(1, e.pow(0.9, e.scalar('t')));
    const outputs = new Map([['w', e.div(e.slot('w'), correction)]]);
    const kernel = compile({ outputs, sums: [] }, memory);
    expect(kernel.scalars(() => 3)).toEqual([1 / (1 - 0.9 ** 3)]);
  });

  it('refuses a power of single weights', () => {
    const e = builder();
    const outputs = new Map([['w', e.pow(e.slot('w'), 2)]]);
    expect(() => compile({ outputs, sums: [] }, memory)).toThrow(/operation pow/);
  });
});
