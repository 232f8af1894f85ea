/** Widths that the engine's kernels are fast with. */

import type { Solved } from './group.ts';

/** Widths are multiples of `round`, and below it of `narrow`. */
export interface Rounding {
  readonly round: number;
  readonly narrow: number;
}

/** Coarse ones first: where only narrow layers must be finer, wide ones stay what the engine is fast with. */
export const roundings = (from: number): Rounding[] => {
  const list: Rounding[] = [];
  for (let round = Math.max(1, from); round >= 1; round = Math.floor(round / 2)) {
    list.push({ round, narrow: round });
    if (round > 2) list.push({ round, narrow: Math.floor(round / 2) });
  }
  return list;
};

export interface Snap {
  readonly step: number;
  /** The number of units that stays when this many are wanted: never fewer. */
  readonly snap: (wanted: number) => number;
}

/** How each group's width is rounded: convolutions to multiples, never below the minimum. */
export function snapsOf(solved: Solved, { round, narrow }: Rounding, minimum: number, maxShare: number): Snap[] {
  return solved.groups.map(({ size, places }) => {
    const stepOf = (multiple: number): number =>
      places.reduce((widest, { value, isWeight, each }) => {
        const isKernel = isWeight && (solved.graph.initializers.get(value)?.dims.length ?? 0) > 2;
        return isKernel ? Math.max(widest, multiple / gcd(multiple, each)) : widest;
      }, 1);
    const [step, fine] = [stepOf(round), stepOf(narrow)];
    const least = Math.max(1, Math.min(size, minimum), Math.ceil(size * (1 - maxShare) - 1e-9));
    const up = (wanted: number, to: number): number => Math.ceil(wanted / to) * to;
    const snap = (wanted: number): number => {
      const width = Math.max(wanted, least);
      return Math.min(size, width > step ? up(width, step) : Math.min(step, up(width, fine)));
    };
    return { step, snap };
  });
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
