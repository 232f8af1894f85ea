/** The learning-rate range test: one short run in which the rate grows from hopeless to harmful. */

import { PareError } from '../../base/error.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Model } from '../../graph/model.ts';
import { type Lab, stopIfAborted } from '../../runtime/index.ts';
import { sgd } from '../optim/sgd.ts';
import type { Optimizer } from '../optim/transform.ts';
import { openTrainer, type TrainerOptions } from '../trainer.ts';

export interface RangeOptions extends Omit<TrainerOptions, 'optimizer'> {
  /** Default SGD with momentum 0.9. Its own rate is not used. */
  readonly optimizer?: Optimizer;
  /** First rate. Default 1e-6. */
  readonly from?: number;
  /** Last rate. Default 10. */
  readonly to?: number;
  /** Default 100. */
  readonly updates?: number;
}

export interface RangePoint {
  readonly lr: number;
  readonly loss: number;
  /** Exponential mean of the losses, its start corrected. */
  readonly smooth: number;
}

export interface RangeReport {
  /** For a plot: loss over the logarithm of the rate. */
  readonly points: readonly RangePoint[];
  /** Where the smoothed loss falls most steeply: a rate to begin with. */
  readonly steepest: number;
  /** A tenth of the rate with the least smoothed loss: the most one should dare. */
  readonly highest: number;
}

/** Share of the smoothed loss that stays. */
const KEEP = 0.9;
/** The test ends when the smoothed loss is this many times the least one. */
const WORSE = 4;

/**
 * Trains with lr_i = from · (to / from)^(i / (n − 1)) and reports the loss at each rate; the model itself stays as it is.
 *
 * Source   Smith 2017, arXiv:1506.01186.
 */
export async function learningRateRange(
  model: Model,
  data: Dataset,
  options: RangeOptions,
  lab: Lab,
): Promise<RangeReport> {
  const { optimizer = sgd({ momentum: 0.9 }), from = 1e-6, to = 10, updates = 100, ...rest } = options;
  using trainer = await openTrainer(model, data, { ...rest, optimizer: () => optimizer }, lab);
  const rateOf = (i: number): number => from * (to / from) ** (i / Math.max(1, updates - 1));
  const points: RangePoint[] = [];
  let mean = 0;
  let least = Number.POSITIVE_INFINITY;
  try {
    for (let epoch = 0; points.length < updates; epoch++) {
      const done = points.length;
      const end = Math.min(trainer.updatesPerEpoch, updates - done);
      for await (const loss of trainer.updates(epoch, { to: end, lr: (update) => rateOf(done + update) })) {
        mean = KEEP * mean + (1 - KEEP) * loss;
        const smooth = mean / (1 - KEEP ** (points.length + 1));
        points.push({ lr: rateOf(points.length), loss, smooth });
        least = Math.min(least, smooth);
        lab.onProgress?.({ task: 'range test', done: points.length, total: updates });
        stopIfAborted(lab.signal);
        if (smooth > WORSE * least) return { points, ...readOff(points) };
      }
    }
  } catch (thrown) {
    if (!(thrown instanceof PareError && thrown.code === 'train/diverged') || points.length < 3) throw thrown;
  }
  return { points, ...readOff(points) };
}

/** Points over which a slope is taken, and points at the start whose mean is not yet one. */
const SPAN = 5;

function readOff(points: readonly RangePoint[]): { steepest: number; highest: number } {
  const first = Math.min(points.length - 1, Math.max(SPAN, Math.ceil(points.length / 10)));
  let best = first;
  for (let i = first; i < points.length; i++) if (points[i]!.smooth < points[best]!.smooth) best = i;
  const slope = (i: number): number => {
    const [a, b] = [points[Math.max(0, i - SPAN)]!, points[i]!];
    return (b.smooth - a.smooth) / Math.log(b.lr / a.lr);
  };
  let steep = first;
  for (let i = first; i <= best; i++) if (slope(i) < slope(steep)) steep = i;
  return { steepest: points[Math.max(0, steep - (SPAN >> 1))]!.lr, highest: points[best]!.lr / 10 };
}
