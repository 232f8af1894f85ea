/** A plan compiled for one arena, and run over its parameters: in long stretches, or one by one where norms are asked. */

import { internal } from '../../base/error.ts';
import type { Arena, Placement } from './arena.ts';
import { walk } from './expression.ts';
import { bytesPerWeight, compile, type Kernel } from './kernel.ts';
import { isMatrix } from './matrix.ts';
import { GROUP_DECAY, GROUP_TRUST, IS_MATRIX, isRate, type Pass, type Plan } from './plan.ts';

/** Parameters that are treated differently. The first group whose `match` says yes counts. */
export interface ParameterGroup {
  readonly match: (name: string) => boolean;
  /** Times the optimiser's learning rate. Default 1. */
  readonly lr?: number;
  /** Times the optimiser's weight decay. Default 1. */
  readonly decay?: number;
  /** Whether LARS and LAMB scale by norms here. Default true. */
  readonly trust?: boolean;
  /** Leaves the parameters as they are. Default false. */
  readonly frozen?: boolean;
}

/** Weights that one call of a kernel passes over. */
export interface Run {
  readonly group: ParameterGroup;
  /** Weights from the start of a segment. */
  readonly offset: number;
  readonly length: number;
  readonly isMatrix: boolean;
  /** Where the run is one parameter. */
  readonly parameter?: string;
}

/** The trained parameters one by one, and joined where neighbours share a group. */
export interface Runs {
  readonly apart: readonly Run[];
  readonly together: readonly Run[];
}

const EVERY: ParameterGroup = { match: () => true };

/** Sorts an arena's parameters into groups; the frozen ones are left out. */
export function runsOf(arena: Arena, groups: readonly ParameterGroup[] = []): Runs {
  const apart: Run[] = [];
  const together: Run[] = [];
  let before: Placement | undefined;
  for (const placement of arena.parameters) {
    const { name, offset, length } = placement;
    const group = groups.find((each) => each.match(name)) ?? EVERY;
    if (group.frozen || length === 0) continue;
    const asMatrix = isMatrix(placement, group);
    apart.push({ group, offset, length, isMatrix: asMatrix, parameter: name });
    const last = together.at(-1);
    const adjoins = before !== undefined && arena.after(before) === offset;
    // A joined run passes over the padding between its parameters too, which nobody reads.
    if (last?.group === group && last.isMatrix === asMatrix && adjoins)
      together[together.length - 1] = { ...last, length: offset + length - last.offset };
    else together.push({ group, offset, length, isMatrix: asMatrix });
    before = placement;
  }
  return { apart, together };
}

interface CompiledPass extends Pass {
  readonly kernel: Kernel;
  readonly addresses: readonly number[];
  /** Runs once per parameter: it sums, or uses a sum that belongs to a parameter. */
  readonly apart: boolean;
}

export interface CompiledPlan extends Omit<Plan, 'passes'> {
  readonly passes: readonly CompiledPass[];
}

/** Compiles every pass. Throws optim/slot when the arena lacks a segment. */
export function compilePlan({ passes, uniforms }: Plan, arena: Arena): CompiledPlan {
  const sums = passes.flatMap((pass) => pass.sums);
  const perParameter = new Set(sums.filter((sum) => sum.over === 'parameter').map((sum) => sum.name));
  const compiled = passes.map((pass) => {
    if (pass.sums.length > arena.sums.length) throw internal(`a pass asks for ${pass.sums.length} sums`);
    const kernel = compile({ outputs: pass.outputs, sums: pass.sums.map((sum) => sum.of) }, arena.memory);
    const used = walk(kernel.uniforms).some((node) => node.kind === 'scalar' && perParameter.has(node.name));
    return { ...pass, kernel, addresses: kernel.slots.map(arena.at), apart: used || pass.sums.length > 0 };
  });
  return { passes: compiled, uniforms };
}

/**
 * Runs all passes, and answers for every scalar that is the same for all parameters afterwards.
 *
 * `known` has the scalars of the step: its number, the learning rates, and state that is one number for all weights.
 */
export function execute(
  { passes }: CompiledPlan,
  known: ReadonlyMap<string, number>,
  { apart, together }: Runs,
  arena: Arena,
): (name: string) => number {
  const sums = new Map<string, number>();
  for (const pass of passes) {
    for (const { name, over } of pass.sums) if (over === 'all') sums.set(name, 0);
    for (const run of pass.apart ? apart : together) {
      const pointers = pass.addresses.map((address) => address + 4 * run.offset);
      pass.kernel.run(run.length, arena.sumsAt, pointers, pass.kernel.scalars(scalarsFor(run, known, sums)));
      pass.sums.forEach(({ name, over }, i) => {
        const sum = arena.sums[i]!;
        if (over === 'all') sums.set(name, sums.get(name)! + sum);
        else sums.set(`${name} ${run.parameter}`, sum);
      });
    }
  }
  return shared(known, sums);
}

/** The scalars as what belongs to no parameter sees them. */
export const shared = (
  known: ReadonlyMap<string, number>,
  sums: ReadonlyMap<string, number> = new Map(),
): ((name: string) => number) => scalarsFor({ group: EVERY, offset: 0, length: 0, isMatrix: false }, known, sums);

/** Bytes that a plan reads and writes, as its kernels are written. */
export const bytesMoved = ({ passes }: CompiledPlan, { apart }: Runs): number => {
  const weights = apart.reduce((total, run) => total + run.length, 0);
  const each = passes.map(({ outputs, sums }) => bytesPerWeight({ outputs, sums: sums.map((sum) => sum.of) }));
  return weights * each.reduce((total, bytes) => total + bytes, 0);
};

/** The scalars as one run sees them. */
export const scalarsFor =
  (
    { group, parameter, isMatrix: asMatrix }: Run,
    known: ReadonlyMap<string, number>,
    sums: ReadonlyMap<string, number>,
  ) =>
  (name: string): number => {
    if (name === GROUP_DECAY) return group.decay ?? 1;
    if (name === GROUP_TRUST) return (group.trust ?? true) ? 1 : 0;
    if (name === IS_MATRIX) return asMatrix ? 1 : 0;
    const value = known.get(name);
    if (value !== undefined) return isRate(name) ? value * (group.lr ?? 1) : value;
    const sum = sums.get(name) ?? sums.get(`${name} ${parameter}`);
    if (sum === undefined) throw internal(`the scalar "${name}" is not known at this point of a step`);
    return sum;
  };
