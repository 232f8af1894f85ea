/** From a model in floats to its ends: the same layers with integers, or with weights stored in fewer bits. */

import { asPareError } from '../base/error.ts';
import { quantize } from '../quantize/index.ts';
import type { Bench, StepCall } from '../recipe/index.ts';
import type { Lab } from '../runtime/index.ts';
import type { Judge } from './judge.ts';
import { chooseKernels, type Kernels } from './kernels.ts';
import type { Stopwatch } from './stopwatch.ts';
import type { Trial, Workshop } from './workshop.ts';

export interface Ends {
  readonly workshop: Workshop;
  readonly bench: Bench;
  readonly judge: Judge;
  readonly stopwatch: Stopwatch;
  readonly maxDrop: number;
  /** Is there time for more? */
  readonly left: () => boolean;
}

/** Calibrators from the one that clips nothing to those that clip. */
const CALIBRATORS = ['minmax', 'mse', 'percentile'] as const;
const SAMPLES = 300;
/** Share of the bound that leaves room for samples other than those of the search. */
const SAFE = 0.5;

/**
 * Adds the ends of `stem` to the trials; the best that holds the bound, or undefined.
 *
 * First integers with the kernels that pay here, by one calibrator after the other; where none is safely within the bound,
 * the most sensitive layers go back to floats; and always weights that are only stored in 8 bits, then in 16.
 */
export async function finish(stem: Trial, ends: Ends, lab: Lab): Promise<Trial | undefined> {
  const { workshop, maxDrop, left } = ends;
  const lean = (await workshop.grow(stem, { step: 'simplify' })) ?? stem;
  const holds = (trial: Trial | undefined): trial is Trial => trial !== undefined && trial.drop <= maxDrop;
  const isSafe = (trial: Trial): boolean => trial.drop <= maxDrop * SAFE;
  const made: Trial[] = [];
  const grow = async (call: StepCall): Promise<Trial | undefined> => {
    const trial = await workshop.grow(lean, call);
    if (trial) made.push(trial);
    return trial;
  };

  const stored = await grow({ step: 'store', as: 'int8' });
  if (!holds(stored) && left()) await grow({ step: 'store', as: 'float16' });
  if (!left()) return best(made.filter(holds));

  const kernels = await kernelsOf(lean, ends, lab);
  const isPairSafe = ends.stopwatch.isPairSafe;
  const exclude = {
    ...(kernels.exclude.length > 0 && { exclude: kernels.exclude }),
    ...(isPairSafe !== undefined && { pairSafe: isPairSafe }),
  };
  for (const calibrate of CALIBRATORS) {
    const call: StepCall = { step: 'quantize', ...(calibrate !== 'minmax' && { calibrate }), ...exclude };
    const trial = await grow(call);
    if (!trial || isSafe(trial) || !left()) break;
  }
  const tried = made.filter(({ calls }) => calls.at(-1)!.step === 'quantize');
  if (tried.length > 0 && !tried.some(isSafe) && left()) {
    const least = tried.reduce((a, b) => (b.drop < a.drop ? b : a));
    const { step, ...options } = least.calls.at(-1)!;
    const reverted = await sensitiveLayers(lean, kernels, options, ends, lab);
    if (reverted.length > 0) await grow({ step, ...options, exclude: [...kernels.exclude, ...reverted] });
  }
  return best(made.filter(holds));
}

const best = (trials: readonly Trial[]): Trial | undefined =>
  trials.length === 0
    ? undefined
    : trials.reduce((a, b) => (b.latencyRatio * b.bytes < a.latencyRatio * a.bytes ? b : a));

/** The kernels that pay for this structure; weights do not matter. */
const kernelsOf = (lean: Trial, { workshop, bench, stopwatch, left }: Ends, lab: Lab): Promise<Kernels> =>
  workshop.once(`${lean.key} kernels`, async () => {
    try {
      return await chooseKernels(await workshop.modelOf(lean), bench.learn!, stopwatch, lab, left);
    } catch (thrown) {
      const error = asPareError(thrown);
      if (error.code === 'work/aborted') throw error;
      return { exclude: [], pays: false };
    }
  });

/** The layers that must compute in floats for the bound to hold on the search samples. */
const sensitiveLayers = (
  lean: Trial,
  kernels: Kernels,
  options: Readonly<Record<string, unknown>>,
  { workshop, bench, judge, maxDrop }: Ends,
  lab: Lab,
): Promise<readonly string[]> =>
  workshop.once(`${lean.key} sensitive`, async () => {
    try {
      const data = bench.learn!;
      const { report } = await quantize(
        await workshop.modelOf(lean),
        {
          data,
          calibrate: (options['calibrate'] as 'minmax' | undefined) ?? 'minmax',
          samples: Math.min(SAMPLES, data.size),
          exclude: kernels.exclude,
          pairSafe: options['pairSafe'] === true,
          maxDrop: maxDrop * SAFE,
          judge: judge.data,
        },
        lab,
      );
      return report.escalation?.reverted ?? [];
    } catch (thrown) {
      const error = asPareError(thrown);
      if (error.code === 'work/aborted') throw error;
      return [];
    }
  });
