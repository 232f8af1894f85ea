/**
 * The update shared out among ranks: each has a block of the flattened weights, keeps the optimiser's state of that block
 * alone, updates it, and the ranks exchange the new weights.
 *
 *   memory of the state and time of the update, over the ranks; messages: a reduce-scatter and an all-gather, which together are the all-reduce
 *
 * Source   Rajbhandari et al. 2020, "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models", stage 1, arXiv:1910.02054.
 */

import { PareError } from '../base/error.ts';
import { type Arena, createArena, type Optimizer, type ParameterGroup } from '../train/index.ts';
import { evaluationPlan, plan, probePlan } from '../train/optim/plan.ts';
import type { RunningOptimizer } from '../train/optim/running.ts';
import { blockOf, type Collective } from './collective.ts';
import type { Part } from './part.ts';

export interface ShardedUpdate {
  /** Its state is that of this rank's block; parameters are named `weight[from:to]`. */
  readonly running: RunningOptimizer;
  /** After each step: the new weights come to all ranks. */
  gather(): Promise<void>;
  /** Where a stretch of a weight belongs, by its name here. */
  readonly pieces: ReadonlyMap<string, Part>;
}

/**
 * Starts `optimizer` on this rank's block of `arena`, which holds `w` and `g`.
 *
 * Throws   parallel/norm for an optimiser that must see all weights at once: norms, averages, two gradients a step.
 */
export function startSharded(
  arena: Arena,
  optimizer: Optimizer,
  collective: Collective,
  groups: readonly ParameterGroup[],
): ShardedUpdate {
  const { links } = optimizer;
  // Norms, averages, two gradients a step; and a stretch of weights is no matrix.
  const isGlobal =
    links.some(({ matrix }) => matrix) ||
    plan(links).passes.some(({ sums }) => sums.length > 0) ||
    probePlan(links) ||
    evaluationPlan(links);
  if (isGlobal) {
    throw new PareError(
      'parallel/norm',
      'This optimiser needs norms or averages of whole weights: its update cannot be shared out.',
      {
        where: optimizer.name,
        hint: 'leave the update whole, or take an optimiser that treats each weight by itself',
      },
    );
  }
  const [from, to] = blockOf(arena.segment('g').length, collective.size, collective.rank);
  const stretches = arena.parameters.flatMap(({ name: of, offset, length }) => {
    const [a, b] = [Math.max(from, offset), Math.min(to, offset + length)];
    return a < b
      ? [
          {
            name: `${of}[${a - offset}:${b - offset}]`,
            of,
            at: [a, b] as const,
            range: [a - offset, b - offset] as const,
            length: b - a,
            whole: length,
          },
        ]
      : [];
  });
  const own = createArena(stretches, { slots: optimizer.slots });
  const [w, g] = [arena.segment('w'), arena.segment('g')];
  for (const { name, at } of stretches) own.view('w', name).set(w.subarray(...at));
  const wholeOf = new Map(stretches.map(({ name, of }) => [name, of]));
  const ownGroups = groups.map((group) => ({
    ...group,
    match: (name: string) => group.match(wholeOf.get(name) ?? name),
  }));
  const running = optimizer.start(own, { groups: ownGroups });
  return {
    running: {
      ...running,
      get t() {
        return running.t;
      },
      step(options) {
        for (const { name, at } of stretches) own.view('g', name).set(g.subarray(...at));
        running.step(options);
        for (const { name, at } of stretches) w.set(own.view('w', name), at[0]);
      },
      restore(state) {
        for (const { name, at } of stretches) own.view('w', name).set(w.subarray(...at));
        running.restore(state);
      },
    },
    gather: () => collective.allGather(w),
    pieces: new Map(stretches.map(({ name, of, range, whole }) => [name, { of, dims: [whole], range }])),
  };
}
