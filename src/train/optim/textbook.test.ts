/** The textbook forms, against plain float64 loops written from their formulas. */

import { describe, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import { createArena } from './arena.ts';
import { adam, ema, lars, lion, lookahead, type Optimizer, rmsprop, sgd, swa } from './index.ts';

const LENGTH = 37;
const STEPS = 20;
const source = random(7, 'textbook');
const list = (scale: number): number[] => Array.from({ length: LENGTH }, () => Math.fround(scale * source.normal()));
const start = list(1);
const gradients = Array.from({ length: STEPS }, () => list(0.5));

/** The weights after all steps, and what they are for evaluation. */
function run(optimizer: Optimizer): { trained: number[]; evaluated: number[] } {
  const arena = createArena([{ name: 'w', length: LENGTH }], { slots: optimizer.slots });
  const w = arena.view('w', 'w');
  w.set(start);
  const running = optimizer.start(arena);
  for (const gradient of gradients) {
    arena.view('g', 'w').set(gradient);
    running.step();
  }
  const trained = [...w];
  running.evaluation();
  const evaluated = [...w];
  running.training();
  expect([...w]).toEqual(trained);
  return { trained, evaluated };
}

/** One weight at a time: `step` gets the weight, the gradient and the step's number, and gives the new weight. */
const loop = (make: () => (w: number, g: number, t: number) => number): number[] =>
  start.map((first, i) => {
    const step = make();
    return gradients.reduce((w, gradient, k) => step(w, gradient[i]!, k + 1), first);
  });
const close = (got: readonly number[], truth: readonly number[]): void => {
  const worst = Math.max(
    ...truth.map((x, i) => Math.abs(got[i]! - x) / Math.max(Math.abs(x), Math.abs(start[i]!), 0.01)),
  );
  expect(worst).toBeLessThan(1e-6);
};

describe('textbook forms', () => {
  it('Adam without bias correction', () => {
    const [lr, b1, b2, eps] = [0.001, 0.9, 0.999, 1e-8];
    const truth = loop(() => {
      let [m, v] = [0, 0];
      return (w, g) => {
        m = b1 * m + (1 - b1) * g;
        v = b2 * v + (1 - b2) * g * g;
        return w - (lr * m) / (Math.sqrt(v) + eps);
      };
    });
    close(run(adam({ lr, b1, b2, eps, biasCorrection: false })).trained, truth);
  });

  it('RMSprop with the first moment over the root of r', () => {
    const [lr, b, rho, eps] = [0.001, 0.9, 0.9, 1e-8];
    const truth = loop(() => {
      let [m, r] = [0, 0];
      return (w, g) => {
        m = b * m + (1 - b) * g;
        r = rho * r + (1 - rho) * g * g;
        return w - (lr * m) / (Math.sqrt(r) + eps);
      };
    });
    close(run(rmsprop({ lr, keep: rho, firstMoment: b, eps })).trained, truth);
  });

  it('gradient descent, and momentum whose velocity holds steps, under a falling learning rate', () => {
    const lr = (step: number): number => 0.05 / (1 + step);
    close(
      run(sgd({ lr })).trained,
      loop(() => (w, g, t) => w - lr(t - 1) * g),
    );
    for (const nesterov of [false, true]) {
      const truth = loop(() => {
        let v = 0;
        return (w, g, t) => {
          v = 0.9 * v - lr(t - 1) * g;
          return nesterov ? w + 0.9 * v - lr(t - 1) * g : w + v;
        };
      });
      close(run(sgd({ lr, momentum: 0.9, nesterov, velocity: 'steps' })).trained, truth);
    }
  });

  it('Lion with decay', () => {
    const [lr, b1, b2, decay] = [0.01, 0.9, 0.99, 0.1];
    const truth = loop(() => {
      let m = 0;
      return (w, g) => {
        const next = w - lr * (Math.sign(b1 * m + (1 - b1) * g) + decay * w);
        m = b2 * m + (1 - b2) * g;
        return next;
      };
    });
    close(run(lion({ lr, b1, b2, decay })).trained, truth);
  });

  it('LARS', () => {
    const [lr, mu, decay, trust] = [1, 0.9, 0.01, 0.02];
    let w = [...start];
    let v = w.map(() => 0);
    const length = (x: readonly number[]): number => Math.hypot(...x);
    for (const g of gradients) {
      const local = (trust * length(w)) / (length(g) + decay * length(w));
      v = v.map((x, i) => mu * x + lr * local * (g[i]! + decay * w[i]!));
      w = w.map((x, i) => x - v[i]!);
    }
    close(run(lars({ lr, momentum: mu, decay, trust })).trained, w);
  });
});

describe('averages', () => {
  const lr = 0.1;
  const path = (i: number): number[] => {
    let w = start[i]!;
    return gradients.map((gradient) => {
      w -= lr * gradient[i]!;
      return w;
    });
  };

  it('EMA follows the weights, leaves training alone, and is what evaluation sees', () => {
    const { trained, evaluated } = run(ema(sgd({ lr }), { keep: 0.8 }));
    close(
      trained,
      start.map((_, i) => path(i).at(-1)!),
    );
    const truth = start.map((first, i) =>
      path(i).reduce((a, w, k) => {
        const keep = Math.min(0.8, (2 + k) / (11 + k));
        return keep * a + (1 - keep) * w;
      }, first),
    );
    close(evaluated, truth);
  });

  it('SWA is the mean of the weights it was asked to count, and the weights themselves before', () => {
    const counted = (i: number): number[] => path(i).filter((_, k) => k + 1 >= 10 && (k + 1) % 3 === 0);
    const { evaluated } = run(swa(sgd({ lr }), { from: 10, every: 3 }));
    close(
      evaluated,
      start.map((_, i) => counted(i).reduce((sum, w) => sum + w, 0) / counted(i).length),
    );
    const early = run(swa(sgd({ lr }), { from: 100 }));
    expect(early.evaluated).toEqual(early.trained);
  });

  it('Lookahead meets its slow weights on every k-th step', () => {
    const truth = start.map((first, i) => {
      let [w, slow] = [first, first];
      gradients.forEach((gradient, k) => {
        w -= lr * gradient[i]!;
        if ((k + 1) % 6 !== 0) return;
        slow += 0.5 * (w - slow);
        w = slow;
      });
      return w;
    });
    close(run(lookahead(sgd({ lr }), { k: 6 })).trained, truth);
  });
});
