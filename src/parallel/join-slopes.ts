/** The slopes of a process's replicas as one: Σ share_r · g_r, in the order of the replicas. */

import { type Arena, mapSegments, type Optimizer, rule } from '../train/index.ts';

/** The slot of the sum of an update's slopes so far. */
export const SUM = 'accumulated';

type Language = Parameters<Parameters<typeof mapSegments>[1]>[0];
type Expression = ReturnType<Language['slot']>;

/** Adds up the joined slopes of an update's runs; the last call leaves their mean in `g`. */
export function gathering(
  arena: Arena,
  slots: readonly string[],
  shares: readonly number[],
  runs: number,
): (run: number) => void {
  const mean = (e: Language) => weighted(e, e.slot('g'), slots, runs === 1 ? shares : shares.map((x) => x / runs));
  const only = mapSegments(arena, (e) => ({ g: mean(e) }));
  if (runs === 1) return () => only();
  const first = mapSegments(arena, (e) => ({ [SUM]: mean(e) }));
  const next = mapSegments(arena, (e) => ({ [SUM]: e.add(e.slot(SUM), mean(e)) }));
  const last = mapSegments(arena, (e) => ({ g: e.add(e.slot(SUM), mean(e)) }));
  return (run) => (run === 0 ? first : run < runs - 1 ? next : last)();
}

/** Σ share_r · g_r in the order of the replicas; `first` is g₀. */
function weighted(e: Language, first: Expression, slots: readonly string[], shares: readonly number[]): Expression {
  const others = slots.slice(1).map((slot) => e.slot(slot));
  if (shares.every((share) => share === shares[0]))
    return e.mul(
      shares[0]!,
      others.reduce((sum, x) => e.add(sum, x), first),
    );
  return others.reduce((sum, x, i) => e.add(sum, e.mul(shares[i + 1]!, x)), e.mul(shares[0]!, first));
}

/** The replicas' slopes as one, joined in the very pass in which the optimiser reads them. */
export function joinLink(slots: readonly string[], shares: readonly number[], optimizer: Optimizer) {
  const body = (e: Language, { u }: { readonly u: Expression }) => ({ u: weighted(e, u, slots, shares) });
  const probes = optimizer.links.some(({ probe }) => probe);
  return rule('join', {}, body, probes ? { probe: body } : {});
}
