/** Structured pruning from end to end: groups, scores, choice, cut, proof. */

import { PareError } from '../base/error.ts';
import { pick } from '../base/suggest.ts';
import { showShare } from '../base/unit.ts';
import type { Dataset } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import type { Lab } from '../runtime/index.ts';
import { type Choice, type ChooseOptions, choose } from './choose.ts';
import { collect } from './collect.ts';
import type { Combination } from './combine.ts';
import type { Criterion } from './criterion/criterion.ts';
import { type CriterionName, criteria } from './criterion/index.ts';
import { cut } from './cut.ts';
import { feeding } from './data-batches.ts';
import { type Size, sizeOfGraph } from './estimate.ts';
import { type Protection, type Solved, solve } from './group.ts';
import { latencyTable } from './latency-table.ts';
import type { Normalization } from './normalize.ts';
import { type Ranking, rankings } from './rank/index.ts';
import { reconstruct } from './reconstruct.ts';
import { reestimate } from './reestimate.ts';
import { score, slicesOf } from './score.ts';
import { settle } from './settle.ts';
import { type Agreement, agreement, insist } from './verify.ts';

export interface PruneOptions extends Omit<ChooseOptions, 'autoRound' | 'latency' | 'isPerCost'> {
  /** What decides: a name from `criteria`, or a criterion of one's own. Default 'l2'. */
  by?: CriterionName | Criterion | undefined;
  /** For criteria that look at slopes or activations, and for the proof. */
  data?: Dataset | undefined;
  /** Samples for slopes and activations. Default all, but no more than 256. */
  samples?: number | undefined;
  /** How the scores of a group's members become one. Default 'mean', and 'sum' for changes of the loss. */
  combination?: Combination | undefined;
  /** How groups are made comparable. Default: the criterion's own. */
  normalization?: Normalization | undefined;
  /** Fit the layers behind the cut to the dense network's answers on `data`. Default false. */
  reconstruct?: boolean | undefined;
  /** Take the running statistics of batch normalisation anew on `data`. Default false. */
  reestimate?: boolean | undefined;
  /** May the axes of graph inputs and outputs be cut? Default false. */
  cutPorts?: boolean | undefined;
  /** Sizes of symbolic dimensions that the model insists on, for the proof on random inputs. */
  symbols?: Readonly<Record<string, number>> | undefined;
}

export interface PrunedGroup {
  /** The first weight axis of the group. */
  readonly name: string;
  readonly kept: number;
  readonly all: number;
}

export interface PruneReport {
  readonly criterion: string;
  readonly before: Size;
  readonly after: Size;
  /** Share of the budgeted thing that stays, and whether that is within the budget. */
  readonly share: number;
  readonly isMet: boolean;
  /** Multiple that convolutions' widths were held to. */
  readonly roundTo: number;
  readonly groups: readonly PrunedGroup[];
  readonly protected: readonly Protection[];
  /** Largest relative difference between the cut and the masked network. */
  readonly error: number;
  /** Layers that were fitted to the dense network's answers. */
  readonly reconstructed?: readonly string[];
  /** Why nothing was cut after all: the model is the original. */
  readonly fault?: string;
}

export interface Pruned {
  readonly model: Model;
  readonly report: PruneReport;
}

/**
 * Removes whole channels, neurons and heads until only the asked share stays, and proves the cut.
 *
 * The model comes back in today's opset. When the cut network is not the masked one to 1e-4, which is a fault of ours,
 * the model comes back uncut and `report.fault` says so. What cannot be followed is protected and listed.
 *
 * Throws   option/… for an unknown criterion or budget; prune/data when the criterion needs data; engine/… from the engine.
 *
 * @example
 * const { model, report } = await prune(resnet, { keep: { macs: 0.5 }, by: 'taylor', data }, lab);
 */
export async function prune(model: Model, options: PruneOptions, lab: Lab): Promise<Pruned> {
  const { data, samples, symbols, cutPorts = false } = options;
  const { by = 'l2', rank = 'global' } = options;
  const criterion: Criterion = typeof by === 'string' ? pick<Criterion>(criteria, by, 'criterion') : by;
  const settled = await settle(model, lab);
  const solved = solve(settled.graph, { cutPorts, ...(symbols && { symbols }) });
  const before = sizeOfGraph(settled.graph);
  const isFitted = options.reconstruct ?? false;
  const trial = pick<Ranking>(rankings, rank, 'rank').trial?.({ needs: criterion.needs, data, isFitted });
  const seen = trial ?? { needs: criterion.needs, data };
  const evidence = await collect(settled, solved, lab, { needs: seen.needs, data: seen.data, samples });
  const told = score(solved, evidence, criterion, { ...options, seed: lab.seed });
  const scores = trial
    ? await trial.scores({ model: settled, solved, scores: told, slices: slicesOf(solved, evidence, lab.seed) }, lab)
    : told;
  const table = 'latency' in options.keep ? await latencyTable(settled, solved, lab) : undefined;
  const autoRound = lab.engine.blockSize || 16;
  const isLoss = criterion.isChangeOfLoss === true && (options.normalization ?? 'none') === 'none';
  const isPerCost = trial !== undefined || isLoss;
  const choice = choose(solved, scores, { ...options, autoRound, isPerCost, latency: table?.estimate });
  tell(choice, solved, lab);
  const report = {
    criterion: criterion.name,
    before,
    share: choice.share,
    isMet: choice.isMet,
    roundTo: choice.roundTo,
    groups: solved.groups.map(({ name, size }, i) => ({ name, kept: choice.kept[i]!, all: size })),
    protected: solved.protections,
  };
  if (choice.cuts.length === 0) return { model: settled, report: { ...report, after: before, error: 0 } };
  const small = cut(settled, solved, choice.cuts);
  let proof: Agreement;
  try {
    proof = await agreement(settled, solved, choice.cuts, lab, data && firstBatch(settled, solved, data, lab));
    insist(proof);
  } catch (thrown) {
    if (!(thrown instanceof PareError)) throw thrown;
    lab.onNote?.(`${thrown.message} The original model is returned.`);
    return {
      model,
      report: { ...report, after: before, share: 1, isMet: false, error: Number.NaN, fault: thrown.message },
    };
  }
  const after = sizeOfGraph(small.graph);
  const mended = await mend(settled, small, choice, options, lab);
  return { ...mended, report: { ...report, ...mended.report, after, error: proof.error } };
}

/** What can be made good without learning. */
async function mend(
  dense: Model,
  small: Model,
  { cuts }: Choice,
  { data, reconstruct: isFitted, reestimate: isRenewed }: PruneOptions,
  lab: Lab,
): Promise<{ model: Model; report: Pick<PruneReport, 'reconstructed'> }> {
  let model = small;
  let report = {};
  if ((isFitted || isRenewed) && !data)
    throw new PareError('prune/data', 'Weights and statistics are fitted on samples.', {
      expected: 'data; labels are not needed',
    });
  // Before the fit: it aims at what the normalisations make, and statistics taken afterwards would undo that.
  if (isRenewed) model = await reestimate(model, data!, {}, lab);
  if (isFitted) {
    const fitted = await reconstruct(dense, model, cuts, data!, {}, lab);
    model = fitted.model;
    report = { reconstructed: fitted.layers };
    for (const { layer, why } of fitted.left) lab.onNote?.(`Not fitted: ${layer}, because ${why}.`);
  }
  return { model, report };
}

/** A few samples, as many as the links were solved with: gates on axes such as "4*N" are of that size. */
const firstBatch = (model: Model, { bound }: Solved, data: Dataset, lab: Lab) => {
  const batch = Object.values(bound.inputs)[0]?.[0] ?? 1;
  return feeding(model.graph, data, { samples: batch, batch, seed: lab.seed }).each().next().value?.feeds;
};

function tell(choice: Choice, { groups, protections }: Solved, { onNote }: Lab): void {
  if (!onNote) return;
  if (groups.length === 0) onNote('Nothing can be cut: every weight is protected.');
  else if (!choice.isMet) onNote(`The budget cannot be met: at least ${showShare(choice.share, 1)} stays.`);
  for (const { why, where, weights } of protections) {
    const channels = weights.reduce((n, weight) => n + weight.channels, 0);
    onNote(`Protected: ${channels} channels of ${weights.length} weight axes, because of ${where}: ${why}.`);
  }
}
