/** An optimiser at work on one arena: compiled once, then a step is a few calls of kernels. */

import { PareError } from '../../base/error.ts';
import type { Lab } from '../../runtime/index.ts';
import { rateAt } from '../schedule/schedule.ts';
import type { Arena } from './arena.ts';
import { bytesMoved, type CompiledPlan, compilePlan, execute, type ParameterGroup, runsOf, shared } from './execute.ts';
import { evaluate } from './expression.ts';
import { type PlacedLink, slotsOf } from './link.ts';
import { startMatrices } from './matrix.ts';
import { type Move, type MoveKind, movesOf } from './move.ts';
import { baseRateName, type Plan, rateName, STEP } from './plan.ts';

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
  /** Told when `restore` has replaced weights and state. */
  readonly onRestore?: () => void;
}

/** A move that waits to be made. */
export interface PendingMove extends Move {
  /** The numbers that its plans read: the step, the learning rates, state that is one number for all weights. */
  readonly numbers: ReadonlyMap<string, number>;
  /** To be called when it was made: counts the step and renews the state that is one number for all weights. */
  made(): void;
}

export interface RunningOptimizer {
  /** Steps made. */
  readonly t: number;
  /**
   * Updates `w` in place from `g`; a promise only where matrix products are worked out. A chain with norms may leave other numbers in `g`.
   *
   * Throws   optim/evaluating; optim/probe when a first move is due; optim/engine without a lab where there are matrix products.
   */
  step(options?: StepOptions): void | Promise<void>;
  /**
   * Makes the first move of a chain that asks for two gradients a step, and says whether there was one.
   *
   * When true, work the gradient out again at the weights as they are now, then `step`. Throws optim/evaluating.
   */
  probe(): boolean;
  /**
   * The next move for somebody else to make, where weights and state lie elsewhere; undefined when there is none of its kind.
   *
   * Throws   optim/evaluating.
   */
  move(kind: 'step' | 'probe', options?: StepOptions): PendingMove | undefined;
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
  { groups = [], lab, fuse = true, onRestore }: StartOptions = {},
): RunningOptimizer {
  const runs = runsOf(arena, groups);
  const slots = slotsOf(links);
  const uniforms = begin(links, arena);
  const moveAt = movesOf(links, { fuse });
  const compiled = new Map<Plan, CompiledPlan>();
  let done = 0;
  let evaluating = false;
  let probed = false;

  const matrices = new Map(
    links.flatMap((link) =>
      link.matrix ? [[link.id, startMatrices(link.id, link.matrix, arena, groups, lab)] as const] : [],
    ),
  );
  const matrixState = Object.assign(
    {},
    ...[...matrices.values()].map(({ tensors }) => tensors),
  ) as OptimizerState['tensors'];
  const compile = (plan: Plan): CompiledPlan => {
    const made = compiled.get(plan) ?? compilePlan(plan, arena);
    compiled.set(plan, made);
    return made;
  };
  /** Takes over new values of state that is one number for all weights. */
  const settle = (plan: Plan, scalars: (name: string) => number): void => {
    const news = [...plan.uniforms].map(([name, value]) => [name, evaluate(value, scalars)] as const);
    for (const [name, value] of news) uniforms.set(name, value);
  };
  const carryOut = (plan: Plan, t: number, lr?: number): void =>
    settle(plan, execute(compile(plan), known(t, lr), runs, arena));
  const carryOutInTurn = async ({ parts }: Move, t: number, lr?: number): Promise<void> => {
    for (const { plan, matrix } of parts) {
      carryOut(plan, t, lr);
      if (matrix) await matrices.get(matrix.id)!.step(t);
    }
    done = t;
  };
  /** Makes a move of one part; false when there is none. */
  const once = (kind: MoveKind, t: number): boolean => {
    const move = moveAt(kind, t);
    if (move) carryOut(move.parts[0]!.plan, t);
    return move !== undefined;
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
      if (!probed && moveAt('probe', t)) {
        throw new PareError('optim/probe', 'This optimiser wants two gradients a step, and has made no first move.', {
          hint: 'call probe(), work the gradient out again, then call step()',
        });
      }
      probed = false;
      const move = moveAt('step', t)!;
      if (matrices.size > 0) return carryOutInTurn(move, t, lr);
      carryOut(move.parts[0]!.plan, t, lr);
      done = t;
    },
    move(kind, { lr, t = done + 1 } = {}) {
      asTrained();
      const move = moveAt(kind, t);
      if (!move) return undefined;
      const numbers = known(t, lr);
      return {
        ...move,
        numbers,
        made() {
          for (const { plan } of move.parts) settle(plan, shared(numbers));
          if (kind === 'step') done = t;
        },
      };
    },
    probe() {
      asTrained();
      probed = once('probe', done + 1);
      return probed;
    },
    evaluation() {
      if (!evaluating) once('enter', done);
      evaluating = true;
    },
    training() {
      if (evaluating) once('leave', done);
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
      onRestore?.();
    },
    bytesPerStep() {
      const { parts } = moveAt('step', done + 1)!;
      return parts.reduce((sum, { plan }) => sum + bytesMoved(compile(plan), runs), 0);
    },
  };
}

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
