import { describe, expect, it } from 'vitest';
import { createArena } from './arena.ts';

describe('an arena', () => {
  const specs = [
    { name: 'a', length: 5 },
    { name: 'b', length: 0 },
    { name: 'c', length: 33 },
  ];

  it('gives each parameter its own place in each segment, on a cache line', () => {
    const arena = createArena(specs, { slots: ['adam.m'] });
    let mark = 0;
    for (const slot of arena.slots) {
      for (const { name, length } of specs) {
        const view = arena.view(slot, name);
        expect(view.length).toBe(length);
        expect(view.byteOffset % 64).toBe(0);
        view.fill(++mark);
      }
    }
    mark = 0;
    for (const slot of arena.slots) {
      for (const { name } of specs) {
        mark += 1;
        expect(arena.view(slot, name).every((x) => x === mark)).toBe(true);
      }
    }
    expect(arena.sums.every((x) => x === 0)).toBe(true);
  });

  it('can be shared between threads', () => {
    expect(createArena(specs, { shared: true }).view('w', 'a').buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(createArena(specs).view('w', 'a').buffer).toBeInstanceOf(ArrayBuffer);
  });

  it('says what does not fit, and what would', () => {
    const big = () => createArena([{ name: 'a', length: 3e8 }], { slots: ['adam.m', 'adam.v'] });
    expect(big).toThrow(expect.objectContaining({ code: 'optim/too-large' }));
    expect(big).toThrow(
      expect.objectContaining({
        detail: expect.objectContaining({ hint: 'an optimiser with 1 state slots a weight would fit' }),
      }),
    );
  });

  it('refuses names that come twice, lengths that are none, and slots and parameters it does not have', () => {
    const parameter = expect.objectContaining({ code: 'optim/parameter' });
    expect(() => createArena([...specs, { name: 'a', length: 1 }])).toThrow(parameter);
    expect(() => createArena([{ name: 'a', length: 1.5 }])).toThrow(parameter);
    expect(() => createArena(specs).view('w', 'z')).toThrow(parameter);
    expect(() => createArena(specs).view('adam.m', 'a')).toThrow(expect.objectContaining({ code: 'optim/slot' }));
  });
});
