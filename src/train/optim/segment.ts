/** One's own arithmetic on an arena's segments, with the optimisers' compiler: accumulating, averaging, norms. */

import type { Arena } from './arena.ts';
import { compilePlan, execute, runsOf } from './execute.ts';
import { type Builder, builder, type Expression, type Term } from './expression.ts';

const lift = (e: Builder, term: Term): Expression => (typeof term === 'number' ? e.constant(term) : term);

/**
 * Compiles new values of whole segments; each call of the result works them out in place, in one pass over memory.
 *
 * Segments are `e.slot(name)`; scalars `e.scalar(name)` take their values from the call.
 * Throws   optim/slot when the arena lacks a segment.
 *
 * @example
 * const accumulate = mapSegments(arena, (e) => ({ sum: e.add(e.slot('sum'), e.mul(e.scalar('share'), e.slot('g'))) }));
 * accumulate({ share: 0.25 });
 */
export function mapSegments(
  arena: Arena,
  values: (e: Builder) => Readonly<Record<string, Term>>,
): (scalars?: Readonly<Record<string, number>>) => void {
  const e = builder();
  const outputs = new Map(Object.entries(values(e)).map(([slot, term]) => [slot, lift(e, term)]));
  const plan = compilePlan({ passes: [{ outputs, sums: [] }], uniforms: new Map() }, arena);
  const runs = runsOf(arena);
  return (scalars = {}) => void execute(plan, new Map(Object.entries(scalars)), runs, arena);
}

/**
 * Compiles a sum over the weights of each parameter, in float64; each call of the result gives the sums by parameter.
 *
 * @example
 * const squares = sumSegments(arena, (e) => e.square(e.slot('g')));
 * const notFinite = Object.entries(squares()).filter(([, sum]) => !Number.isFinite(sum));
 */
export function sumSegments(arena: Arena, value: (e: Builder) => Term): () => Record<string, number> {
  const e = builder();
  const sums = [{ name: 'sum', over: 'all' as const, of: lift(e, value(e)) }];
  const plan = compilePlan({ passes: [{ outputs: new Map(), sums }], uniforms: new Map() }, arena);
  const each = runsOf(arena).apart.map((run) => ({ apart: [run], together: [] }));
  return () =>
    Object.fromEntries(each.map((run) => [run.apart[0]!.parameter, execute(plan, new Map(), run, arena)('sum')]));
}
