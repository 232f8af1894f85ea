/** Every optimiser keeps the promises of an optimiser. A new one is tested by being in the table. */

import { describe, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import { createArena } from './arena.ts';
import {
  type Arena,
  chain,
  clipAdaptively,
  clipByNorm,
  ema,
  lookahead,
  type Optimizer,
  type OptimizerState,
  optimizers,
  type ParameterGroup,
  type RunningOptimizer,
  rule,
  sgd,
  swa,
} from './index.ts';
import { start } from './running.ts';

const SPECS = [
  { name: 'conv.weight', length: 27 },
  { name: 'conv.bias', length: 3 },
  { name: 'fc.weight', length: 50 },
  { name: 'fc.bias', length: 1 },
];

const rows: Record<string, () => Optimizer> = {
  // those that see matrices work with an engine, and have their own contract beside `matrix.ts`
  ...Object.fromEntries(Object.entries(optimizers).filter(([, make]) => make().links.every((link) => !link.matrix))),
  'sgd, Nesterov': () => sgd({ momentum: 0.9, nesterov: true }),
  'adam, AMSGrad': () => optimizers.adam({ amsgrad: true, decay: 0.1 }),
  'rmsprop, everything': () => optimizers.rmsprop({ centered: true, momentum: 0.5, firstMoment: 0.5, decay: 0.1 }),
  'clipped, averaged adamw': () => ema(chain(clipByNorm(0.5), optimizers.adamw())),
  'clipped, looking ahead lamb': () => lookahead(chain(clipAdaptively(), optimizers.lamb({ decay: 0.1 })), { k: 4 }),
  'averaged sgd': () => swa(sgd({ lr: 0.1, momentum: 0.9 }), { from: 5, every: 2 }),
};

const fill = (arena: Arena, slot: string, name: string): void => {
  const source = random(3, name);
  for (const { name: parameter, length } of SPECS) {
    const view = arena.view(slot, parameter);
    for (let i = 0; i < length; i++) view[i] = source.normal();
  }
};
const prepare = (optimizer: Optimizer): Arena => {
  const arena = createArena(SPECS, { slots: optimizer.slots });
  fill(arena, 'w', 'weights');
  return arena;
};
const train = (running: RunningOptimizer, arena: Arena, from: number, to: number): void => {
  for (let t = from; t <= to; t++) {
    fill(arena, 'g', `step ${t}`);
    running.step();
  }
};
const bits = (arena: Arena): number[] => [...new Uint32Array(arena.segment('w').slice().buffer)];
const copyOf = (state: OptimizerState): OptimizerState => structuredClone(JSON.parse(JSON.stringify(state, toLists)));
const toLists = (_: string, value: unknown): unknown => (value instanceof Float32Array ? [...value] : value);

for (const [name, make] of Object.entries(rows)) {
  describe(name, () => {
    it('goes on from a saved state as if it had not stopped, bit by bit', () => {
      const whole = prepare(make());
      train(make().start(whole), whole, 1, 20);

      const before = prepare(make());
      const first = make().start(before);
      train(first, before, 1, 11);
      const saved = copyOf(first.state());
      const after = prepare(make());
      after.segment('w').set(before.segment('w'));
      const second = make().start(after);
      second.restore(saved);
      expect(second.t).toBe(11);
      train(second, after, 12, 20);
      expect(bits(after)).toEqual(bits(whole));
    });

    it('gives the same bits when its links are not fused', () => {
      const fused = prepare(make());
      train(make().start(fused), fused, 1, 8);
      const apart = prepare(make());
      train(start(make().links, apart, { fuse: false }), apart, 1, 8);
      expect(bits(apart)).toEqual(bits(fused));
    });

    it('gives the same bits in shared memory, and for each parameter whatever stands beside it', () => {
      const together = prepare(make());
      const groups = SPECS.map((spec) => ({ match: (each: string) => each === spec.name }));
      const apart = createArena(SPECS, { slots: make().slots, shared: true });
      fill(apart, 'w', 'weights');
      train(make().start(together), together, 1, 8);
      train(make().start(apart, { groups }), apart, 1, 8);
      expect(bits(apart)).toEqual(bits(together));
    });

    it('goes down a parabola', () => {
      const optimizer = make();
      const arena = prepare(optimizer);
      const running = optimizer.start(arena);
      const w = arena.segment('w');
      const height = (): number => w.reduce((sum, x) => sum + x * x, 0);
      const from = height();
      for (let t = 1; t <= 500; t++) {
        arena.segment('g').set(w);
        running.step({ lr: LR[name] ?? 0.01 });
      }
      running.evaluation();
      expect(height()).toBeLessThan(0.1 * from);
    });
  });
}
/** Rates that suit a parabola of slope w, where 0.01 does not. */
const LR: Record<string, number> = { adadelta: 20, lars: 1, adagrad: 0.1 };

describe('parameter groups', () => {
  const step = (optimizer: Optimizer, groups: ParameterGroup[]): { before: Arena; after: Arena } => {
    const before = prepare(optimizer);
    const after = prepare(optimizer);
    train(optimizer.start(after, { groups }), after, 1, 1);
    fill(before, 'g', 'step 1');
    return { before, after };
  };

  it('multiply the learning rate and the decay, and freeze', () => {
    const { before, after } = step(optimizers.sgd({ lr: 0.5, decay: 0.25 }), [
      { match: (name) => name.startsWith('conv.b'), frozen: true },
      { match: (name) => name.endsWith('bias'), decay: 0 },
      { match: (name) => name.startsWith('fc'), lr: 0.5 },
    ]);
    const check = (name: string, rate: number, decay: number): void => {
      const [w, g, now] = [before.view('w', name), before.view('g', name), after.view('w', name)];
      w.forEach((x, i) => {
        expect(now[i]).toBeCloseTo(x - rate * (g[i]! + decay * x), 6);
      });
    };
    check('conv.weight', 0.5, 0.25);
    check('conv.bias', 0, 0);
    check('fc.weight', 0.25, 0.25);
    check('fc.bias', 0.5, 0);
  });

  it('switch the norms of LAMB off: it is AdamW then', () => {
    const trust = [{ match: () => true, trust: false }];
    const plain = step(optimizers.adamw({ eps: 1e-6 }), []).after;
    const without = step(optimizers.lamb({ decay: 0.01 }), trust).after;
    expect(bits(without)).toEqual(bits(plain));
  });

  it('that are frozen do not count in the norm of the gradient', () => {
    const clipped = chain(clipByNorm(1), sgd({ lr: 1 }));
    const { before, after } = step(clipped, [{ match: (name) => name !== 'fc.weight', frozen: true }]);
    const [w, now] = [before.view('w', 'fc.weight'), after.view('w', 'fc.weight')];
    expect(Math.hypot(...w.map((x, i) => x - now[i]!))).toBeCloseTo(1, 5);
  });
});

describe('a running optimiser', () => {
  it('takes a learning rate and a step number from outside', () => {
    const [own, given] = [prepare(optimizers.adam()), prepare(optimizers.adam())];
    train(optimizers.adam({ lr: (step) => 0.1 / (1 + step) }).start(own), own, 1, 3);
    const running = optimizers.adam().start(given);
    for (let t = 1; t <= 3; t++) {
      fill(given, 'g', `step ${t}`);
      running.step({ lr: 0.1 / t, t });
    }
    expect(bits(given)).toEqual(bits(own));
  });

  it('does not let a NaN pass unseen through a clip by norm', () => {
    const optimizer = chain(clipByNorm(1), sgd());
    const arena = prepare(optimizer);
    arena.view('g', 'fc.bias')[0] = Number.NaN;
    optimizer.start(arena).step();
    expect(arena.view('w', 'conv.weight').every(Number.isNaN)).toBe(true);
  });

  it('will not step or be saved with the weights to evaluate in place', () => {
    const optimizer = ema(sgd());
    const running = optimizer.start(prepare(optimizer));
    running.evaluation();
    const refusal = expect.objectContaining({ code: 'optim/evaluating' });
    expect(() => running.step()).toThrow(refusal);
    expect(() => running.state()).toThrow(refusal);
    running.training();
    expect(() => running.step()).not.toThrow();
  });

  it('refuses a state of another optimiser or model', () => {
    const optimizer = optimizers.adam();
    const running = optimizer.start(prepare(optimizer));
    const refusal = expect.objectContaining({ code: 'optim/state' });
    const state = copyOf(running.state());
    expect(() => running.restore({ ...state, tensors: { 'lion.m': {} } })).toThrow(refusal);
    expect(() => running.restore({ ...state, scalars: { 'nadam.product': 1 } })).toThrow(refusal);
    expect(() => running.restore({ ...state, t: -1 })).toThrow(refusal);
    state.tensors['adam.m']!['fc.weight'] = new Float32Array(3);
    expect(() => running.restore(state)).toThrow(refusal);
  });

  it('needs the arena to have its slots', () => {
    expect(() => optimizers.adam().start(createArena(SPECS))).toThrow(expect.objectContaining({ code: 'optim/slot' }));
  });

  it('is one pass over memory where no norm is needed, and one more where there is', () => {
    const weights = SPECS.reduce((sum, { length }) => sum + length, 0);
    const bytes = (optimizer: Optimizer): number => optimizer.start(prepare(optimizer)).bytesPerStep() / weights;
    expect(bytes(optimizers.sgd())).toBe(12); // w g → w
    expect(bytes(optimizers.adamw())).toBe(28); // w g m v → w m v
    expect(bytes(chain(clipByNorm(1), optimizers.adamw()))).toBe(32); // g, then the same
    expect(bytes(optimizers.lamb())).toBe(40); // w g m v → g m v, then w g → w
  });

  it('gives two rules of one name their own state', () => {
    const once = rule('twin', { m: 1 }, (e, { u, m }) => ({ u: e.add(u, m), m: e.mul(2, m) }));
    expect(chain(once, once).slots).toEqual(['twin.m', 'twin#2.m']);
  });
});
