import { describe, expect, it } from 'vitest';
import { createArena, mapSegments, sam, sgd, sumSegments } from './index.ts';

const SPECS = [
  { name: 'a', length: 3 },
  { name: 'b', length: 18 },
];

describe('arithmetic on segments', () => {
  it('accumulates gradients in place', () => {
    const arena = createArena(SPECS, { slots: ['sum'] });
    const accumulate = mapSegments(arena, (e) => ({
      sum: e.add(e.slot('sum'), e.mul(e.scalar('share'), e.slot('g'))),
    }));
    arena.view('g', 'b').fill(8);
    accumulate({ share: 0.25 });
    accumulate({ share: 0.5 });
    expect([...arena.view('sum', 'b')]).toEqual(new Array(18).fill(6));
    expect([...arena.view('sum', 'a')]).toEqual([0, 0, 0]);
  });

  it('sums by parameter, and so finds where a NaN is', () => {
    const arena = createArena(SPECS);
    arena.view('g', 'a').set([1, 2, 3]);
    const squares = sumSegments(arena, (e) => e.square(e.slot('g')));
    expect(squares()).toEqual({ a: 14, b: 0 });
    arena.view('g', 'b')[17] = Number.NaN;
    expect(squares()).toEqual({ a: 14, b: Number.NaN });
  });
});

describe('SAM', () => {
  // f(w) = Σ cᵢ wᵢ⁴ / 4, whose slope c w³ differs from place to place.
  const c = Array.from({ length: 21 }, (_, i) => 0.5 + i / 20);
  const first = c.map((_, i) => Math.fround(Math.sin(i)));
  const slope = (w: ArrayLike<number>): number[] => c.map((x, i) => x * w[i]! ** 3);

  for (const adaptive of [false, true]) {
    it(`takes its gradient at the worst place nearby${adaptive ? ', each weight in its own units' : ''}`, () => {
      const optimizer = sam(sgd({ lr: 0.1 }), { rho: 0.2, adaptive });
      const arena = createArena([{ name: 'w', length: 21 }], { slots: optimizer.slots });
      const [w, g] = [arena.view('w', 'w'), arena.view('g', 'w')];
      w.set(first);
      const running = optimizer.start(arena);
      let truth = first;
      for (let t = 1; t <= 20; t++) {
        g.set(slope(w));
        expect(running.probe()).toBe(true);
        g.set(slope(w));
        running.step();

        const size = truth.map((x) => (adaptive ? Math.abs(x) : 1));
        const here = slope(truth).map((x, i) => x * size[i]!);
        const worst = truth.map((x, i) => x + (0.2 * size[i]! * here[i]!) / Math.hypot(...here));
        const there = slope(worst);
        truth = truth.map((x, i) => x - 0.1 * there[i]!);
      }
      truth.forEach((x, i) => {
        expect(Math.abs(w[i]! - x)).toBeLessThan(1e-6);
      });
    });
  }

  it('will not step without its first move', () => {
    const optimizer = sam(sgd());
    const arena = createArena(SPECS, { slots: optimizer.slots });
    expect(() => optimizer.start(arena).step()).toThrow(expect.objectContaining({ code: 'optim/probe' }));
  });

  it('alone asks for a second gradient', () => {
    const arena = createArena(SPECS);
    expect(sgd().start(arena).probe()).toBe(false);
  });
});
