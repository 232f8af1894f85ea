/**
 * A chain of links as few passes over memory: neighbours are fused, and a pass ends only where a sum must be known.
 *
 * Between two passes the update rests in the gradient's segment, which the step consumes anyhow.
 */

import { type Builder, builder, type Expression, type Term } from './expression.ts';
import type { PlacedLink, RuleBuilder, Slots } from './link.ts';

export interface SumSpec {
  /** Name of the scalar that later passes read. */
  readonly name: string;
  readonly over: 'all' | 'parameter';
  readonly of: Expression;
}

export interface Pass {
  readonly outputs: ReadonlyMap<string, Expression>;
  readonly sums: readonly SumSpec[];
}

export interface Plan {
  readonly passes: readonly Pass[];
  /** New values of state that is one number for all weights; worked out from the old ones after the last pass. */
  readonly uniforms: ReadonlyMap<string, Expression>;
}

/** Scalars that every step provides; a link's learning rate is `lr ID`. */
export const STEP = 't';
export const GROUP_DECAY = 'group decay';
export const GROUP_TRUST = 'group trust';
export const IS_MATRIX = 'is matrix';
export const rateName = (id: string): string => `lr ${id}`;
export const isRate = (name: string): boolean => name.startsWith('lr ');
export const baseRateName = (id: string): string => `base lr ${id}`;

const ruleBuilder = (e: Builder, id: string, sums: SumSpec[]): RuleBuilder => {
  const sum =
    (over: 'all' | 'parameter') =>
    (x: Term): Expression => {
      const name = `sum ${id} ${sums.length}`;
      sums.push({ name, over, of: typeof x === 'number' ? e.constant(x) : x });
      return e.scalar(name);
    };
  return {
    ...e,
    lr: e.scalar(rateName(id)),
    baseLr: e.scalar(baseRateName(id)),
    t: e.scalar(STEP),
    groupDecay: e.scalar(GROUP_DECAY),
    groupTrust: e.scalar(GROUP_TRUST),
    isMatrix: e.scalar(IS_MATRIX),
    sumAll: sum('all'),
    sumEach: sum('parameter'),
  };
};

/** Plans one step of `links`. With `fuse: false` each link has its own pass (for tests and for looking at). */
export const plan = (links: readonly PlacedLink[], { fuse = true }: { fuse?: boolean } = {}): Plan =>
  passesOf(links, { fuse, descends: true });

/** A step's links in parts, each but the last ending with one that hands the updates of matrices to the engine. */
export function partsOf(links: readonly PlacedLink[]): readonly (readonly PlacedLink[])[] {
  const parts: PlacedLink[][] = [[]];
  for (const link of links) {
    parts.at(-1)!.push(link);
    if (link.matrix) parts.push([]);
  }
  return parts;
}

/** Plans a part that is not the last: the update stays in `g`. */
export const planPart = (links: readonly PlacedLink[]): Plan => passesOf(links, { fuse: true, descends: false });

/** The first move of the links that have one, or undefined. */
export function probePlan(links: readonly PlacedLink[]): Plan | undefined {
  const probing = links.flatMap((link) => (link.probe ? [{ ...link, body: link.probe }] : []));
  return probing.length > 0 ? passesOf(probing, { fuse: true, descends: false }) : undefined;
}

/** Puts the weights to evaluate in place of the trained ones, which rest in `g`, and back; undefined when they are the same. */
export function evaluationPlan(links: readonly PlacedLink[]): { enter: Plan; leave: Plan } | undefined {
  const link = links.findLast((each) => each.evaluate);
  const view = link?.evaluate;
  if (!link || !view) return undefined;
  const once = (body: PlacedLink['body']): Plan => passesOf([{ ...link, body }], { fuse: true, descends: false });
  return {
    enter: once((e, slots) => ({ u: slots.w, w: view(e, slots) })),
    leave: once((_, { u }) => ({ w: u })),
  };
}

/** `descends`: the update is added to the weights at the end, rather than left in `g`. */
function passesOf(links: readonly PlacedLink[], { fuse, descends }: { fuse: boolean; descends: boolean }): Plan {
  const e = builder();
  const passes: Pass[] = [];
  const uniforms = new Map<string, Expression>();
  let now = new Map<string, Expression>();
  const read = (slot: string): Expression => now.get(slot) ?? e.slot(slot);

  /** Ends a pass: what is pending goes to memory, and is read from there from now on. */
  const cut = (sums: readonly SumSpec[]): void => {
    const outputs = new Map([...now].filter(([slot, value]) => value !== e.slot(slot)));
    if (outputs.size > 0 || sums.length > 0) passes.push({ outputs, sums });
    now = new Map();
  };
  const valuesOf = (link: PlacedLink): Slots<string> => {
    const values: Record<string, Expression> = { u: read('g'), w: read('w') };
    for (const [slot, start] of Object.entries(link.state)) {
      const name = `${link.id}.${slot}`;
      values[slot] = typeof start === 'object' ? e.scalar(name) : read(name);
    }
    return values as Slots<string>;
  };

  for (const link of links) {
    const sums: SumSpec[] = [];
    let results = link.body(ruleBuilder(e, link.id, sums), valuesOf(link));
    if (sums.length > 0) {
      cut(sums);
      results = link.body(ruleBuilder(e, link.id, []), valuesOf(link));
    }
    for (const [slot, term] of Object.entries(results)) {
      if (term === undefined) continue;
      const value = typeof term === 'number' ? e.constant(term) : term;
      const start = link.state[slot];
      if (typeof start === 'object') uniforms.set(`${link.id}.${slot}`, value);
      else now.set(slot === 'u' ? 'g' : slot === 'w' ? 'w' : `${link.id}.${slot}`, value);
    }
    if (!fuse) cut([]);
  }
  if (descends) {
    now.set('w', e.add(read('w'), read('g')));
    now.delete('g');
  }
  cut([]);
  return { passes, uniforms };
}
