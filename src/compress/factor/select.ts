/** Which layers are cut, how, and at which ranks. */

import { showShare } from '../../base/unit.ts';
import { sizeOf } from '../../graph/tensor.ts';
import { type Lab, stopIfAborted } from '../../runtime/index.ts';
import { timeChain } from './latency.ts';
import { type Layer, macsOf } from './layer.ts';
import { checked, chooseRank, keptEnergy, type Rank, roundRank, type SpectrumRank } from './rank.ts';
import type { Factor, Opened } from './scheme.ts';

/** A layer and the schemes that suit it. */
export interface Candidate {
  readonly layer: Layer;
  readonly place: string;
  readonly macs: number;
  readonly ways: readonly Way[];
}

interface Way {
  readonly name: string;
  readonly opened: Opened;
}

/** One way at certain ranks. */
export interface Choice extends Way {
  readonly candidate: Candidate;
  readonly ranks: readonly number[];
  readonly macs: number;
  /** Time after / time before, where the ranks were chosen by it. */
  readonly latencyRatio?: number;
}

/** A measured chain takes at most this share of the layer's time: less is noise. */
export const FASTER = 0.97;

export interface SelectOptions {
  readonly rank: Rank;
  /** Ranks of convolutions become multiples of this. */
  readonly block: number;
  /** MACs of the whole model. */
  readonly total: number;
  /** Takes the layers that stay, with the reason. */
  readonly kept: { place: string; why: string }[];
}

/** The cheapest way of each candidate under the rank rule; those that save nothing are kept whole. */
export async function select(
  candidates: readonly Candidate[],
  { rank, block, total, kept }: SelectOptions,
  lab: Lab,
): Promise<Choice[]> {
  const at = (rule: SpectrumRank): (Choice | Candidate)[] =>
    candidates.map((candidate) => cheapest(candidate, rule, block) ?? candidate);
  let choices: (Choice | Candidate)[];
  let why = 'no chain at this rank multiplies less';
  if ('keep' in rank) choices = underBudget(candidates, at, checked(rank.keep.macs, 'budget') * total, total, lab);
  else if ('latency' in rank) {
    why = `no chain takes ${showShare(rank.latency, 0)} of its time or less`;
    choices = [];
    for (const [i, candidate] of candidates.entries()) {
      choices.push((await withinTime(candidate, checked(rank.latency, 'latency'), block, lab)) ?? candidate);
      lab.onProgress?.({ task: 'time ranks', done: i + 1, total: candidates.length });
    }
  } else choices = at(rank);
  return choices.flatMap((choice) => {
    if ('candidate' in choice) return [choice];
    kept.push({ place: choice.place, why });
    return [];
  });
}

/** One energy for all layers: the largest within the budget. */
function underBudget(
  candidates: readonly Candidate[],
  at: (rule: SpectrumRank) => (Choice | Candidate)[],
  budget: number,
  total: number,
  lab: Lab,
): (Choice | Candidate)[] {
  const macsOfAll = (choices: readonly (Choice | Candidate)[]): number =>
    choices.reduce((sum, { macs }) => sum + macs, 0);
  const rest = total - macsOfAll(candidates);
  const fits = (list: readonly (Choice | Candidate)[]): boolean => rest + macsOfAll(list) <= budget;
  let [low, high] = [1e-6, 1];
  for (let turn = 0; turn < 40; turn++) {
    const middle = (low + high) / 2;
    if (fits(at({ energy: middle }))) low = middle;
    else high = middle;
  }
  const choices = at({ energy: low });
  if (!fits(choices))
    lab.onNote?.(`The budget cannot be met: at least ${showShare((rest + macsOfAll(choices)) / total, 1)} stays.`);
  return choices;
}

const STEPS = 5;

/** The way that keeps the most energy within this share of the layer's time, or undefined when none is fast enough. */
async function withinTime(candidate: Candidate, share: number, block: number, lab: Lab): Promise<Choice | undefined> {
  let best: Choice | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const way of candidate.ways) {
    const timed = new Map<string, number>();
    let [low, high] = [0, 1];
    for (let step = 0; step < STEPS; step++) {
      stopIfAborted(lab.signal);
      const energy = step === 0 ? 0.5 : (low + high) / 2;
      const choice = choiceAt(candidate, way, { energy }, block);
      if (choice && choice.macs >= candidate.macs) {
        high = energy;
        continue;
      }
      if (!choice) break;
      const key = choice.ranks.join();
      const ratio = timed.get(key) ?? (await timeChain(candidate.layer, blank(way, choice.ranks), lab));
      timed.set(key, ratio);
      if (ratio > share) {
        high = energy;
        continue;
      }
      low = energy;
      const lost = lostEnergy(way.opened, choice.ranks);
      if (lost < least) [best, least] = [{ ...choice, latencyRatio: ratio }, lost];
    }
  }
  return best;
}

/** A chain of these shapes without content: how long it takes does not depend on the numbers. */
const blank = ({ opened }: Way, ranks: readonly number[]): Factor[] =>
  opened.parts(ranks).map((part) => ({ ...part, W: new Float64Array(sizeOf(part.dims)) }));

/** Share of the energy that is lost at these ranks, at most. */
export const lostEnergy = ({ spectra }: Opened, ranks: readonly number[]): number =>
  spectra.reduce((sum, { energy }, i) => sum + 1 - keptEnergy(energy, ranks[i]!), 0);

function cheapest(candidate: Candidate, rule: SpectrumRank, block: number): Choice | undefined {
  let best: Choice | undefined;
  for (const way of candidate.ways) {
    const choice = choiceAt(candidate, way, rule, block);
    if (choice && choice.macs < (best ?? candidate).macs) best = choice;
  }
  return best;
}

/** A way at the ranks of a rule, or undefined where the rule has no answer. */
function choiceAt(candidate: Candidate, way: Way, rule: SpectrumRank, block: number): Choice | undefined {
  const { name, opened } = way;
  const rounds = candidate.layer.kind === 'conv' && name !== 'separable';
  const ranks: number[] = [];
  for (const spectrum of opened.spectra) {
    const r = chooseRank(rule, spectrum);
    if (r === undefined) return undefined;
    ranks.push(rounds ? roundRank(r, block, spectrum.energy.length) : r);
  }
  return { candidate, name, opened, ranks, macs: macsOf(opened.parts(ranks), candidate.layer) };
}
