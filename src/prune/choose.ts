/** Spends a budget: which units go, so that what is left costs no more than the share that may stay. */

import { PareError } from '../base/error.ts';
import { nearest, pick } from '../base/suggest.ts';
import { showShare } from '../base/unit.ts';
import { estimator, type Size } from './estimate.ts';
import type { Group, Solved, Units } from './group.ts';
import { type Ranking, type RankName, rankings } from './rank/index.ts';
import { type Rounding, roundings, type Snap, snapsOf } from './rounding.ts';

/** The share that stays (0 to 1) of one thing: multiply-accumulates, parameters, bytes of weights, measured time, or units. */
export type Keep =
  | { readonly latency: number }
  | { readonly macs: number }
  | { readonly parameters: number }
  | { readonly bytes: number }
  | { readonly channels: number };

/** The share of its units that a group keeps, by the name of one of its weights; `*` stands for anything. */
export interface Rule {
  readonly layer: string;
  readonly keep: number;
}

export interface ChooseOptions {
  keep: Keep;
  /** Who competes with whom. Default 'global'. */
  rank?: RankName | undefined;
  /** Widths of convolutions stay multiples of this; matrix products take any width. Default: `autoRound`. */
  roundTo?: number | undefined;
  /** Without `roundTo`: multiples of this, halved until the budget can be met closely. Default 16. */
  autoRound?: number | undefined;
  /** The least number of units that a group keeps. Default 1. */
  minimum?: number | undefined;
  /** Groups whose share the caller knows; they do not compete. The first that fits counts. */
  rules?: readonly Rule[] | undefined;
  /** For a budget of time: milliseconds when group i has `kept[i]` units left. */
  latency?: ((kept: ArrayLike<number>) => number) | undefined;
  /**
   * Do units of different groups compete by score over cost, where all compete? For scores that are losses: what is lost
   * for each unit of the budget that is won. Default false.
   */
  isPerCost?: boolean | undefined;
  /** The largest share that a group may lose, below 1. Default 0.9. */
  maxShare?: number | undefined;
}

export interface Choice {
  readonly cuts: readonly Units[];
  /** Units that stay, by group in order. */
  readonly kept: readonly number[];
  /** Multiple that convolutions' widths were held to. */
  readonly roundTo: number;
  /** Estimated size of the cut graph. */
  readonly size: Size;
  /** Share of the budgeted thing that stays. */
  readonly share: number;
  /** Is the share within the budget? Not so when too much is protected. */
  readonly isMet: boolean;
}

/** Below the target by more than this, a finer rounding is tried. */
const SLACK = 0.02;

/**
 * The units that go, lowest scores first, as few as the budget needs.
 *
 * Throws   option/share for a share that is not between 0 and 1, option/keep for an unknown budget.
 */
export function choose(solved: Solved, scores: readonly Float64Array[], options: ChooseOptions): Choice {
  const { keep, rank = 'global', roundTo, autoRound = 16, minimum = 1, maxShare = 0.9, rules = [] } = options;
  const { what, target } = budgetOf(keep);
  checkShare('maxShare', maxShare);
  const { groups } = solved;
  const estimate = estimator(solved.graph, groups);
  const all = groups.map(({ size }) => size);
  const costs: Record<typeof what, (kept: readonly number[]) => number> = {
    macs: (kept) => estimate(kept).macs,
    parameters: (kept) => estimate(kept).parameters,
    bytes: (kept) => estimate(kept).bytes,
    channels: (kept) => kept.reduce((a, b) => a + b, 0),
    latency: options.latency ?? missingTable,
  };
  const whole = costs[what](all);
  // Where nothing can be counted (all work lies in sub-graphs), no cut brings the budget nearer.
  const measure = (kept: readonly number[]): number => (whole > 0 ? costs[what](kept) / whole : 1);
  const fixed = fixedBy(rules, groups);
  const orders = scores.map((own) => Array.from(own.keys()).sort((a, b) => own[a]! - own[b]! || a - b));
  const { classOf } = pick<Ranking>(rankings, rank, 'rank');
  const priced = options.isPerCost && !classOf && whole > 0 ? perCost(scores, all, measure) : scores;
  const sequence = sequenceOf(priced, orders, classOf?.(solved)).filter((group) => !fixed.has(group));

  const attempt = (rounding: Rounding): readonly number[] => {
    if (whole === 0) return all;
    const snaps = snapsOf(solved, rounding, minimum, maxShare);
    const after = (gone: number): number[] => {
      const wanted = [...all];
      for (let i = 0; i < gone; i++) wanted[sequence[i]!]! -= 1;
      return wanted.map((count, i) => fixed.get(i) ?? snaps[i]!.snap(count));
    };
    let [low, high] = [0, sequence.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (measure(after(middle)) <= target) high = middle;
      else low = middle + 1;
    }
    const fits = (kept: readonly number[]): boolean => measure(kept) <= target;
    return refill(after(low), groups, scores, orders, snaps, fixed, fits);
  };

  const rounds = roundTo !== undefined ? [{ round: roundTo, narrow: roundTo }] : roundings(autoRound);
  let best: { kept: readonly number[]; share: number; round: number } | undefined;
  for (const rounding of rounds) {
    const { round } = rounding;
    const kept = attempt(rounding);
    const share = measure(kept);
    if (
      !best ||
      (share <= target && (best.share > target || share > best.share)) ||
      (best.share > target && share < best.share)
    )
      best = { kept, share, round };
    if (share <= target && share > target - SLACK) break;
  }
  const { kept, share, round } = best!;
  return {
    cuts: groups.flatMap((group, i) =>
      kept[i]! < group.size ? [{ group, units: orders[i]!.slice(0, group.size - kept[i]!) }] : [],
    ),
    kept,
    roundTo: round,
    size: estimate(kept),
    share,
    isMet: share <= target,
  };
}

/** A price is told by this share of a group: the cost of one unit alone may be less than a table of times resolves. */
const PRICED = 1 / 4;

/**
 * The scores over what one unit of each group costs while the others are whole.
 *
 * Source   the ratio rule for knapsacks; Shen et al. 2022, "Structural pruning via latency-saliency knapsack", arXiv:2210.06659.
 */
function perCost(
  scores: readonly Float64Array[],
  all: readonly number[],
  measure: (kept: readonly number[]) => number,
): Float64Array[] {
  return scores.map((own, group) => {
    const gone = Math.max(1, Math.floor(all[group]! * PRICED));
    const saved = 1 - measure(all.map((size, i) => (i === group ? size - gone : size)));
    // What saves nothing goes last.
    return own.map((score) => (saved > 0 ? (score * gone) / saved : Number.POSITIVE_INFINITY));
  });
}

function budgetOf(keep: Keep): { what: 'macs' | 'parameters' | 'bytes' | 'latency' | 'channels'; target: number } {
  const [entry, ...more] = Object.entries(keep);
  const known = ['macs', 'parameters', 'bytes', 'latency', 'channels'];
  if (!entry || more.length > 0 || !known.includes(entry[0])) {
    throw new PareError('option/keep', 'A budget names one thing of which a share stays.', {
      expected: known.map((name) => `{ ${name}: 0.5 }`).join(' or '),
      got: JSON.stringify(keep),
    });
  }
  checkShare(`keep.${entry[0]}`, entry[1]);
  return { what: entry[0] as 'macs', target: entry[1] };
}

function checkShare(where: string, share: number): void {
  if (share >= 0 && share <= 1) return;
  throw new PareError('option/share', `${where} is a share between 0 and 1, not ${share}.`, {
    where,
    expected: '0 to 1',
    got: `${share}`,
    ...(share > 1 && share <= 100 && { hint: `is ${showShare(share / 100, 0)} meant? write ${share / 100}` }),
  });
}

const missingTable = (): never => {
  throw new PareError('option/keep', 'A budget of time needs the times of the layers.', {
    expected: 'latency: what latencyTable tells',
  });
};

/** Units that stay in the groups that a rule names. */
function fixedBy(rules: readonly Rule[], groups: readonly Group[]): Map<number, number> {
  const fixed = new Map<number, number>();
  for (const { layer, keep } of rules.toReversed()) {
    checkShare(`the rule for "${layer}"`, keep);
    const text = layer.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
    const pattern = new RegExp(`^${text}(\\[\\d+\\])?$`);
    const found = groups.flatMap(({ places, size }, i) =>
      places.some(({ value, axis, isWeight }) => isWeight && (pattern.test(value) || pattern.test(`${value}[${axis}]`)))
        ? [[i, Math.min(size, Math.max(1, Math.round(size * keep)))] as const]
        : [],
    );
    if (found.length === 0) {
      const names = groups.map(({ name }) => name);
      const near = nearest(layer, names);
      throw new PareError('option/rule', `No group of channels has a weight named "${layer}".`, {
        where: layer,
        expected: `a weight of ${names.slice(0, 6).join(', ')}${names.length > 6 ? ', …' : ''}`,
        ...(near && { hint: `is "${near}" meant?` }),
      });
    }
    for (const [i, count] of found) fixed.set(i, count);
  }
  return fixed;
}

/** Groups in the order in which they lose their next weakest unit; `classes` by group, one for all by default. */
function sequenceOf(
  scores: readonly Float64Array[],
  orders: readonly (readonly number[])[],
  classes: readonly string[] | undefined,
): Int32Array {
  const byClass = new Map<string, { group: number; score: number }[]>();
  for (const [group, order] of orders.entries()) {
    const key = classes?.[group] ?? '';
    const list = byClass.get(key) ?? [];
    byClass.set(key, list);
    for (const unit of order) list.push({ group, score: scores[group]![unit]! });
  }
  const placed = [...byClass.values()].flatMap((list) =>
    list.sort((a, b) => a.score - b.score).map(({ group }, i) => ({ group, at: (i + 0.5) / list.length })),
  );
  return Int32Array.from(placed.sort((a, b) => a.at - b.at || a.group - b.group).map(({ group }) => group));
}

/** Gives back, strongest first, what rounding took beyond the budget. */
function refill(
  kept: readonly number[],
  groups: readonly Group[],
  scores: readonly Float64Array[],
  orders: readonly (readonly number[])[],
  snaps: readonly Snap[],
  fixed: ReadonlyMap<number, number>,
  fits: (kept: readonly number[]) => boolean,
): readonly number[] {
  let now = [...kept];
  if (!fits(now)) return now;
  const full = new Set<number>(fixed.keys());
  const nextScore = (i: number): number => scores[i]![orders[i]![groups[i]!.size - now[i]! - 1]!]!;
  for (;;) {
    const open = groups.flatMap(({ size }, i) => (now[i]! < size && !full.has(i) ? [i] : []));
    if (open.length === 0) return now;
    const at = open.reduce((a, b) => (nextScore(b) > nextScore(a) ? b : a));
    const more = [...now];
    more[at] = snaps[at]!.snap(now[at]! + 1);
    if (fits(more)) now = more;
    else full.add(at);
  }
}
