/** An optimiser at work on one arena: compiled once, then a step is a few calls of kernels. */

import { PareError } from '../../base/error.ts';
import type { Lab } from '../../runtime/index.ts';
import { rateAt } from '../schedule/schedule.ts';
import type { Arena } from './arena.ts';
import { bytesMoved, type CompiledPlan, compilePlan, execute, type ParameterGroup, runsOf } from './execute.ts';
import { evaluate } from './expression.ts';
import { type PlacedLink, slotsOf } from './link.ts';
import { startMatrices } from './matrix.ts';
import { baseRateName, evaluationPlan, type Plan, partsOf, plan, planPart, probePlan, rateName, STEP } from './plan.ts';

/** Everything a step depends on, besides weights and gradients. `tensors` are views: copy what must not change. */
export interface OptimizerState {
  /** Steps made. */
  t: number;
  /** State that is one number for all weights. */
  scalars: Record<string, number>;
  /** Slot → parameter → numbers. */
  tensors: Record<string, Record<string, Float32Array>>;
}

export interface StepOptions {
  /** Learning rate of this step, in place of the optimiser's own; groups still multiply it. */
  lr?: number;
  /** Number of this step, from 1. Default: one more than the last. */
  t?: number;
}

export interface StartOptions {
  readonly groups?: readonly ParameterGroup[];
  /** Whose engine works out matrix products, where the optimiser has them. */
  readonly lab?: Lab;
  /** False gives each link its own pass. Default true. */
  readonly fuse?: boolean;
}

export interface RunningOptimizer {
  /** Steps made. */
  readonly t: number;
  /** Updates `w` in place from `g`. A chain with norms may leave other numbers in `g`. Throws optim/evaluating, optim/probe. */
  /** A promise only where matrix products are worked out. */
  step(options?: StepOptions): void | Promise<void>;
  /**
   * Makes the first move of a chain that asks for two gradients a step, and says whether there was one.
   *
   * When true, work the gradient out again at the weights as they are now, then `step`. Throws optim/evaluating.
   */
  probe(): boolean;
  /** Puts the weights to evaluate into `w` where they differ from the trained ones (averages); they rest in `g`. */
  evaluation(): void;
  /** Puts the trained weights back, bit by bit. */
  training(): void;
  /** Throws optim/evaluating between `evaluation` and `training`. */
  state(): OptimizerState;
  /** Goes on from a state. Throws optim/state when it belongs to another chain or model. */
  restore(state: OptimizerState): void;
  /** Bytes that the next step reads and writes, as its kernels are written. */
  bytesPerStep(): number;
}

/**
 * Starts `links` on an arena that already holds the weights.
 *
 * `fuse: false` gives each link its own pass. Throws optim/slot when the arena lacks a state slot.
 */
export function start(
  links: readonly PlacedLink[],
  arena: Arena,
  { groups = [], lab, fuse = true }: StartOptions = {},
): RunningOptimizer {
  const runs = runsOf(arena, groups);
  const slots = slotsOf(links);
  const uniforms = begin(links, arena);
  const plans = new Map<string, CompiledPlan | undefined>();
  let done = 0;
  let evaluating = false;
  let probed = false;

  const parts = partsOf(links);
  const matrices = links.flatMap((link) =>
    link.matrix ? [startMatrices(link.id, link.matrix, arena, groups, lab)] : [],
  );
  const matrixState = Object.assign({}, ...matrices.map(({ tensors }) => tensors)) as OptimizerState['tensors'];
  /** The compiled plan of a part of the step. */
  const partPlan = (part: readonly PlacedLink[], t: number): CompiledPlan => {
    const active = part.filter((link) => link.active?.(t) ?? true);
    const isLast = part === parts.at(-1);
    const key = ['part', isLast, ...active.map((link) => link.id)].join('|');
    const made = plans.get(key) ?? compilePlan(isLast ? plan(active, { fuse }) : planPart(active), arena);
    plans.set(key, made);
    return made;
  };
  const inParts = async (t: number, lr?: number): Promise<void> => {
    for (const [i, part] of parts.entries()) {
      carryOut(partPlan(part, t), t, lr);
      await matrices[i]?.step(t);
    }
    done = t;
  };

  const resting = links.some((link) => link.active);
  /** The compiled plan of a kind at step t, from links that act then. */
  const planFor = (kind: keyof typeof KINDS | 'step', t: number): CompiledPlan | undefined => {
    const moves = kind === 'step' || kind === 'probe';
    const active = resting && moves ? links.filter((link) => link.active?.(t) ?? true) : links;
    const key = resting ? [kind, ...active.map((link) => link.id)].join('|') : kind;
    if (!plans.has(key)) {
      const made = kind === 'step' ? plan(active, { fuse }) : KINDS[kind](active);
      plans.set(key, made && compilePlan(made, arena));
    }
    return plans.get(key);
  };
  /** Runs a plan; false when there is none. */
  const carryOut = (made: CompiledPlan | undefined, t: number, lr?: number): boolean => {
    if (!made) return false;
    const scalars = execute(made, known(t, lr), runs, arena);
    const news = [...made.uniforms].map(([name, value]) => [name, evaluate(value, scalars)] as const);
    for (const [name, value] of news) uniforms.set(name, value);
    return true;
  };
  const known = (t: number, lr?: number): Map<string, number> => {
    const scalars = new Map([...uniforms, [STEP, t]]);
    for (const link of links) {
      if (link.lr === undefined) continue;
      const rate = lr ?? rateAt(link.lr, t - 1);
      scalars.set(rateName(link.id), rate).set(baseRateName(link.id), rate);
    }
    return scalars;
  };
  const asTrained = (): void => {
    if (!evaluating) return;
    throw new PareError('optim/evaluating', 'The weights in place are those to evaluate, not those that are trained.', {
      hint: 'call training() first',
    });
  };

  return {
    get t() {
      return done;
    },
    step({ lr, t = done + 1 } = {}) {
      asTrained();
      if (!probed && planFor('probe', t)) {
        throw new PareError('optim/probe', 'This optimiser wants two gradients a step, and has made no first move.', {
          hint: 'call probe(), work the gradient out again, then call step()',
        });
      }
      probed = false;
      if (matrices.length > 0) return inParts(t, lr);
      carryOut(planFor('step', t), t, lr);
      done = t;
    },
    probe() {
      asTrained();
      probed = carryOut(planFor('probe', done + 1), done + 1);
      return probed;
    },
    evaluation() {
      if (!evaluating) carryOut(planFor('enter', done), done);
      evaluating = true;
    },
    training() {
      if (evaluating) carryOut(planFor('leave', done), done);
      evaluating = false;
    },
    state() {
      asTrained();
      const views = (slot: string) =>
        Object.fromEntries(arena.parameters.map(({ name }) => [name, arena.view(slot, name)]));
      return {
        t: done,
        scalars: Object.fromEntries(uniforms),
        tensors: { ...Object.fromEntries(slots.map((slot) => [slot, views(slot)])), ...matrixState },
      };
    },
    restore(state) {
      asTrained();
      check(state, [...slots, ...Object.keys(matrixState)], [...uniforms.keys()], slots, arena);
      for (const [slot, own] of Object.entries(matrixState)) {
        for (const [name, values] of Object.entries(own)) values.set(state.tensors[slot]![name]!);
      }
      for (const slot of slots) {
        for (const { name } of arena.parameters) arena.view(slot, name).set(state.tensors[slot]![name]!);
      }
      for (const name of uniforms.keys()) uniforms.set(name, state.scalars[name]!);
      done = state.t;
    },
    bytesPerStep() {
      const plansOfStep =
        parts.length > 1 ? parts.map((part) => partPlan(part, done + 1)) : [planFor('step', done + 1)!];
      return plansOfStep.reduce((sum, made) => sum + bytesMoved(made, runs), 0);
    },
  };
}

/** Plans beside the step itself; some chains have none. */
const KINDS = {
  probe: probePlan,
  enter: (links: readonly PlacedLink[]): Plan | undefined => evaluationPlan(links)?.enter,
  leave: (links: readonly PlacedLink[]): Plan | undefined => evaluationPlan(links)?.leave,
};

/** Fills the state slots, and gives the state that is one number for all weights. */
function begin(links: readonly PlacedLink[], arena: Arena): Map<string, number> {
  const uniforms = new Map<string, number>();
  for (const { id, state } of links) {
    for (const [slot, first] of Object.entries(state)) {
      const name = `${id}.${slot}`;
      if (typeof first === 'object') uniforms.set(name, first.uniform);
      else if (first === 'w') arena.segment(name).set(arena.segment('w'));
      else arena.segment(name).fill(first);
    }
  }
  return uniforms;
}

/** Throws optim/state unless `state` has exactly the slots, scalars and lengths that are asked. */
function check(
  state: OptimizerState,
  names: readonly string[],
  scalars: readonly string[],
  slots: readonly string[],
  arena: Arena,
): void {
  const refuse = (where: string, expected: string, got: string): never => {
    throw new PareError('optim/state', 'This state belongs to another optimiser or model.', { where, expected, got });
  };
  const list = (names: readonly string[]): string => names.toSorted().join(', ') || 'none';
  const sameNames = (where: string, expected: readonly string[], got: readonly string[]): void => {
    if (list(expected) !== list(got)) refuse(where, list(expected), list(got));
  };
  sameNames('slots', names, Object.keys(state.tensors));
  sameNames('scalars', scalars, Object.keys(state.scalars));
  for (const slot of slots) {
    for (const { name, length } of arena.parameters) {
      const got = state.tensors[slot]![name]?.length;
      if (got !== length) refuse(`${slot} of ${name}`, `${length} numbers`, got === undefined ? 'none' : `${got}`);
    }
  }
  if (!Number.isInteger(state.t) || state.t < 0) refuse('t', 'a whole number of steps', `${state.t}`);
}
