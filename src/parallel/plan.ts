/**
 * Predicts what parallel training gains before the machines are there: an alpha-beta model of the collectives, fed with
 * one measured step.
 *
 *   message of B bytes                 α + B/β                        α latency of a link, β its bandwidth
 *   all-reduce of B bytes, p ranks     2 (p−1) α + 2 (p−1)/p · B/β + (p−1)/p · B/γ    ring; γ bytes that a core adds up in a second
 *                                      2 ⌈log₂ p⌉ (α + B/β)           tree, for small messages; the cheaper counts
 *   data parallel, p ranks             c + w(b/p) + all-reduce(4P) + u
 *   pipeline, s stages, m micro        (m + s − 1) · (w(b)/(s·m) · balance · r + c/s) + 2 (m + s − 2) · message + u/s
 *
 *   tensor, t ranks a layer         c + w(b)·(1 − σ + σ/t) + sums · all-reduce(bytes of one) + u/t
 *
 *   Every step ends with a small all-reduce more, by which ranks agree on the loss and whether to stop.
 *   σ = share of the work whose layers can be split. w(n) = time of the slopes of n samples that grows with n, c what does not, u the update, P parameters.
 *   r = 4/3 where the stages work their forward out twice, else 1. balance: the dearest stage's share of the cost, times s.
 *
 * Source   Thakur, Rabenseifner and Gropp 2005, "Optimization of collective communication operations in MPICH", IJHPCA 19(1);
 *          Huang et al. 2019, GPipe, arXiv:1811.06965.
 */

import { PareError } from '../base/error.ts';

export interface LinkSpeed {
  /** α, microseconds. Default 50 (TCP on Ethernet). */
  readonly latencyUs?: number;
  /** β, gigabits per second. Default 10. */
  readonly gigabitsPerSecond?: number;
}

export interface PlanInput {
  /** Samples per step, of all ranks together. */
  readonly batch: number;
  /** Trained weights. */
  readonly parameters: number;
  /** Measured: slopes of a batch (forward and backward) by number of samples. Two sizes tell what does not grow with it. */
  readonly slopesMs: readonly { readonly samples: number; readonly ms: number }[];
  /** Measured: the optimiser's update. Default 0. */
  readonly updateMs?: number;
  /** State slots of the optimiser per weight. Default 2 (Adam). */
  readonly slots?: number;
  /** Bytes of what is kept between forward and backward, per sample. Default 0: not counted. */
  readonly activationBytes?: number;
  /** Bytes that pass the dearest cut of a pipeline, per sample. Default: no pipelines are planned. */
  readonly cutBytes?: number;
  /** Share of the cost in the dearest stage, by number of stages. Default: even. */
  readonly dearestShare?: (stages: number) => number;
  /** Stages work their inner values out again instead of keeping them. Default false. */
  readonly recompute?: boolean;
  /** What splitting layers over ranks shares out. Default: no such plans are made. */
  readonly tensor?: {
    /** Share of the weights that is split. */
    readonly share: number;
    /** Share of the work that is split. Default: `share`. */
    readonly work?: number;
    /** Sums over the ranks in one step, forward and back. */
    readonly sums: number;
    /** Bytes of all of them together, per sample. */
    readonly sumBytes: number;
    /** Ranks that a layer may be split over. */
    readonly most: number;
  };
  readonly link?: LinkSpeed;
}

export interface Plan {
  readonly ranks: number;
  /** Copies of the model. */
  readonly replicas: number;
  /** Parts of each copy. */
  readonly stages: number;
  /** Ranks that each layer of a copy is split over. */
  readonly tensor: number;
  /** Micro-batches of each copy's share; 1 without a pipeline. */
  readonly micro: number;
  readonly stepMs: number;
  /** Of which messages. */
  readonly messagesMs: number;
  readonly samplesPerSecond: number;
  /** Speed over the speed of one rank, over the ranks: 1 is perfect. */
  readonly efficiency: number;
  /** Weights, slopes, optimiser state and kept values of one rank. */
  readonly bytesPerRank: number;
}

const BITS = 8;
/** Bytes of a float32. */
const FLOAT = 4;
/** Working the forward out again adds a third: forward 1, backward 2, forward again 1. */
const RECOMPUTED = 4 / 3;

/** Bytes of float32 numbers that one core adds to others in a millisecond: γ, bound by memory. */
const ADDED_PER_MS = 4e6;
/** What every step tells all ranks: the loss, and who wants to stop. */
const WORD_BYTES = 8;

/** Milliseconds of a message of so many bytes. */
export const messageMs = (bytes: number, { latencyUs = 50, gigabitsPerSecond = 10 }: LinkSpeed = {}): number =>
  latencyUs / 1e3 + (bytes * BITS) / (gigabitsPerSecond * 1e6);

/** Milliseconds of an all-reduce: the ring's, or the tree's where that is cheaper. */
export function allReduceMs(bytes: number, ranks: number, link: LinkSpeed = {}): number {
  if (ranks <= 1) return 0;
  const adding = (((ranks - 1) / ranks) * bytes) / ADDED_PER_MS;
  const ring = 2 * (ranks - 1) * messageMs(bytes / ranks, link) + adding;
  const tree = 2 * Math.ceil(Math.log2(ranks)) * messageMs(bytes, link);
  return Math.min(ring, tree);
}

/**
 * Every sensible way to use `ranks` ranks, the fastest first: copies × stages.
 *
 * Throws   parallel/plan when nothing was measured, or the batch has fewer samples than there are copies in every way.
 *
 * @example
 * planParallel({ batch: 256, parameters: 11e6, slopesMs: [{ samples: 256, ms: 900 }] }, 8)[0]
 */
export function planParallel(input: PlanInput, ranks: number): Plan[] {
  const { batch, parameters, updateMs = 0, slots = 2, activationBytes = 0, cutBytes, link = {}, recompute } = input;
  const { dearestShare = (stages: number) => 1 / stages } = input;
  const { fixedMs, perSampleMs } = fitLine(input.slopesMs);
  const oneMs = fixedMs + perSampleMs * batch + updateMs;
  const plans: Plan[] = [];
  for (let stages = 1; stages <= ranks; stages++) {
    if (ranks % stages !== 0 || (stages > 1 && cutBytes === undefined)) continue;
    const replicas = ranks / stages;
    const own = Math.ceil(batch / replicas);
    if (replicas > batch || own < stages) continue;
    const micro = stages === 1 ? 1 : Math.min(own, 4 * stages);
    const dearest = stages === 1 ? 1 : dearestShare(stages);
    const joinMs = allReduceMs((FLOAT * parameters) / stages, replicas, link);
    const workMs =
      stages === 1
        ? fixedMs + perSampleMs * own
        : (micro + stages - 1) *
          ((perSampleMs * own * dearest * (recompute ? RECOMPUTED : 1)) / micro + fixedMs / stages);
    const passMs = stages === 1 ? 0 : 2 * (micro + stages - 2) * messageMs((cutBytes! * own) / micro, link);
    const messagesMs = joinMs + passMs + allReduceMs(WORD_BYTES, ranks, link);
    const stepMs = workMs + messagesMs + updateMs / stages;
    const kept =
      stages === 1
        ? activationBytes * own
        : ((activationBytes / stages) * (recompute ? 1 : Math.min(micro, stages)) + (cutBytes ?? 0) * stages) *
          (own / micro);
    plans.push({
      ranks,
      replicas,
      stages,
      tensor: 1,
      micro,
      stepMs,
      messagesMs,
      samplesPerSecond: (batch * 1000) / stepMs,
      efficiency: oneMs / stepMs / ranks,
      bytesPerRank: (FLOAT * (2 + slots) * parameters) / stages + kept,
    });
  }
  plans.push(...tensorPlans(input, ranks, { fixedMs, perSampleMs, oneMs }));
  if (plans.length === 0) {
    throw new PareError('parallel/plan', `A batch of ${batch} cannot be spread over ${ranks} ranks.`, {
      hint: 'a larger batch, or fewer ranks',
    });
  }
  return plans.sort((a, b) => a.stepMs - b.stepMs);
}

/** Copies × ranks that each layer is split over. */
function tensorPlans(
  input: PlanInput,
  ranks: number,
  { fixedMs, perSampleMs, oneMs }: { fixedMs: number; perSampleMs: number; oneMs: number },
): Plan[] {
  const { batch, parameters, updateMs = 0, slots = 2, activationBytes = 0, link = {}, tensor } = input;
  if (!tensor) return [];
  const plans: Plan[] = [];
  for (let over = 2; over <= Math.min(ranks, tensor.most); over++) {
    const replicas = ranks / over;
    if (!Number.isInteger(replicas) || replicas > batch) continue;
    const own = Math.ceil(batch / replicas);
    const left = 1 - tensor.share + tensor.share / over;
    const { work = tensor.share } = tensor;
    const toDo = 1 - work + work / over;
    const joinMs = allReduceMs(FLOAT * parameters * left, replicas, link);
    const sumsMs = tensor.sums * allReduceMs((tensor.sumBytes * own) / Math.max(1, tensor.sums), over, link);
    const messagesMs = joinMs + sumsMs + allReduceMs(WORD_BYTES, over, link) + allReduceMs(WORD_BYTES, replicas, link);
    const stepMs = fixedMs + perSampleMs * own * toDo + updateMs * left + messagesMs;
    plans.push({
      ranks,
      replicas,
      stages: 1,
      tensor: over,
      micro: 1,
      stepMs,
      messagesMs,
      samplesPerSecond: (batch * 1000) / stepMs,
      efficiency: oneMs / stepMs / ranks,
      bytesPerRank: FLOAT * (2 + slots) * parameters * left + activationBytes * own * left,
    });
  }
  return plans;
}

/** ms = fixed + perSample · samples, by least squares; one measurement goes through the origin. */
function fitLine(measured: PlanInput['slopesMs']): { fixedMs: number; perSampleMs: number } {
  const n = measured.length;
  if (n === 0) throw new PareError('parallel/plan', 'A plan needs the measured time of at least one batch size.');
  const meanX = measured.reduce((sum, { samples }) => sum + samples, 0) / n;
  const meanY = measured.reduce((sum, { ms }) => sum + ms, 0) / n;
  const spread = measured.reduce((sum, { samples }) => sum + (samples - meanX) ** 2, 0);
  if (spread === 0) return { fixedMs: 0, perSampleMs: meanY / meanX };
  const slope = measured.reduce((sum, { samples, ms }) => sum + (samples - meanX) * (ms - meanY), 0) / spread;
  const perSampleMs = Math.max(0, slope);
  return { fixedMs: Math.max(0, meanY - perSampleMs * meanX), perSampleMs };
}
