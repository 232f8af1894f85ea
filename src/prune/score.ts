/** From evidence to one score per unit of every group. */

import { random } from '../base/random.ts';
import { sizeOf } from '../graph/tensor.ts';
import { activationKey, type Evidence } from './collect.ts';
import { type Combination, combine } from './combine.ts';
import type { Criterion, Slice } from './criterion/criterion.ts';
import { l2 } from './criterion/l2.ts';
import type { Solved } from './group.ts';
import type { LayerHessian } from './hessian.ts';
import { type Member, membersOf, scorable } from './member.ts';
import { type Normalization, normalize } from './normalize.ts';

export interface ScoreOptions {
  /** How the scores of a group's members become one. Default 'mean', and 'sum' for changes of the loss. */
  combination?: Combination | undefined;
  /** Default: the criterion's own. */
  normalization?: Normalization | undefined;
  /** Default 0. */
  seed?: number | undefined;
}

/** Scores by group, one per unit, comparable across groups; the lowest go first. */
export function score(
  solved: Solved,
  evidence: Evidence,
  criterion: Criterion,
  options: ScoreOptions = {},
): Float64Array[] {
  const isLoss = criterion.isChangeOfLoss === true;
  const { combination = isLoss ? 'sum' : 'mean', seed = 0 } = options;
  const normalization = options.normalization ?? criterion.normalization ?? (isLoss ? 'none' : 'mean');
  return slicesOf(solved, evidence, seed).map((slices, i) => {
    const accepted = slices.filter((slice) => criterion.accepts?.(slice) ?? true);
    const own = (): Float64Array | undefined => {
      if (accepted.length === 0) return undefined;
      return criterion.scoreTogether
        ? criterion.scoreTogether(accepted)
        : combine(accepted.map(criterion.score), combination);
    };
    const norms = (): Float64Array =>
      slices.length > 0 ? combine(slices.map(l2.score), combination) : new Float64Array(solved.groups[i]!.size);
    const scores = own() ?? norms();
    return normalize(
      scores.map((value) => (Number.isFinite(value) ? value : 0)),
      normalization,
    );
  });
}

/** The members of each group that are worth scoring, as criteria see them. */
export const slicesOf = (solved: Solved, evidence: Evidence, seed = 0): Slice[][] =>
  membersOf(solved).map((members) =>
    scorable(solved, members).map((member) => sliceOf(member, solved, evidence, seed)),
  );

function sliceOf({ place, role, slot, partner }: Member, { bound }: Solved, evidence: Evidence, seed: number): Slice {
  const { value, axis, each, positions } = place;
  const dims = bound.concrete.get(value)!.dims as number[];
  const units = positions.length / each;
  const inner = sizeOf(dims.slice(axis + 1));
  const outer = sizeOf(dims.slice(0, axis));
  const along = dims[axis]!;
  const elements = (unit: number): Int32Array => {
    const list = new Int32Array(each * inner * outer);
    let at = 0;
    for (let k = 0; k < each; k++) {
      const position = positions[unit * each + k]!;
      for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) list[at++] = (o * along + position) * inner + i;
    }
    return list;
  };
  const sum: Slice['sum'] = (f) => {
    const total = new Float64Array(units);
    for (let p = 0; p < positions.length; p++) {
      const unit = Math.floor(p / each);
      for (let o = 0; o < outer; o++) {
        const from = (o * along + positions[p]!) * inner;
        for (let i = from; i < from + inner; i++) total[unit]! += f(i);
      }
    }
    return total;
  };
  const places = (unit: number): Int32Array => positions.subarray(unit * each, (unit + 1) * each);
  const hessian = evidence.hessians.get(value);
  // A weight that the loss does not depend on has no slope: it moves nothing.
  const or0 = (found: ArrayLike<number> | undefined): ArrayLike<number> => found ?? new Float64Array(sizeOf(dims));
  return {
    name: value,
    axis,
    dims,
    role,
    slot,
    units,
    weight: evidence.weights.get(value)!,
    gradient: evidence.gradients.size > 0 ? or0(evidence.gradients.get(value)) : [],
    square: evidence.squares.size > 0 ? or0(evidence.squares.get(value)) : [],
    change: evidence.changes.get(place) ?? new Float64Array(units),
    activation: activationOf(role, place, partner, evidence),
    hessian,
    columns:
      hessian &&
      columnsOf(
        hessian,
        { along, inner },
        Array.from({ length: units }, (_, unit) => places(unit)),
      ),
    places,
    sum,
    elements,
    random: random(seed, `prune/${value}/${axis}`),
  };
}

/** The activation figures of each unit: the mean over its positions on the axis that the weight reads. */
function activationOf(
  role: Member['role'],
  { each, positions }: Member['place'],
  partner: Member['partner'],
  { activations }: Evidence,
): Slice['activation'] {
  const found = role === 'in' ? activations.get(activationKey(partner)) : undefined;
  if (!found) return { mean: [], rms: [] };
  const mean = new Float64Array(positions.length / each);
  const rms = new Float64Array(positions.length / each);
  // Grouped layers read the same place in each group: positions beyond the axis wrap around.
  positions.forEach((position, p) => {
    const unit = Math.floor(p / each);
    mean[unit]! += found.mean[position % found.mean.length]! / each;
    rms[unit]! += found.rms[position % found.rms.length]! / each;
  });
  return { mean, rms };
}

/** The columns of a linear layer that lie at these places of its weight's axis; undefined where the axis holds its outputs. */
function columnsOf(
  { groups, width, height, at }: LayerHessian,
  { along, inner }: { along: number; inner: number },
  places: readonly Int32Array[],
): Int32Array[] | undefined {
  const placeOf = (element: number): number => Math.floor(element / inner) % along;
  if (placeOf(at(groups - 1, height - 1, 0)) !== placeOf(at(0, 0, 0))) return undefined;
  const byPlace = Array.from({ length: along }, (): number[] => []);
  for (let i = 0; i < width; i++) byPlace[placeOf(at(0, 0, i))]!.push(i);
  return places.map((own) => Int32Array.from([...own].flatMap((place) => byPlace[place]!)));
}
