/** Which layers of a structure integers make faster where it is to run. */

import { modernize } from '../ops/modern.ts';
import { calibratorOf } from '../quantize/calibrated.ts';
import { calibrate, kernelFormFor } from '../quantize/index.ts';
import { prepare } from '../quantize/prepare.ts';
import { type Speed, slowLayers } from '../quantize/slow-layers.ts';
import { storeWeights } from '../quantize/store.ts';
import type { Lab } from '../runtime/index.ts';
import { leftMs, type Quest } from './quest.ts';
import { orNone } from './rank.ts';
import type { Trial } from './workshop.ts';

/** Samples for timing kernels: weights do not matter there. */
const ROUGH = 8;
const ROUNDS = 9;

/** The fastest mixture of integer and float kernels, measured once for each structure; no layer is fast where there is nothing to measure. */
export const kernelsOf = (lean: Trial, quest: Quest, lab: Lab): Promise<Speed> =>
  quest.workshop.once(`${lean.key} kernels`, () =>
    orNone(
      async () => {
        const { workshop, bench, stopwatch } = quest;
        const quiet: Lab = { ...lab, onProgress: () => {} };
        const data = bench.learn!;
        const samples = Int32Array.from({ length: Math.min(ROUGH, data.size) }, (_, i) => i);
        const model = prepare(modernize(await workshop.modelOf(lean)));
        const how = { everywhere: true, biasCorrect: false };
        const calibrated = await calibrate(model, calibratorOf('minmax'), data, samples, quiet, how);
        const form = await kernelFormFor(lab.engine, stopwatch.kernels);
        return await slowLayers(
          {
            original: storeWeights(model),
            calibrated,
            write: { perChannel: true, weightBits: 8, ...form },
            time: async (models) => (await stopwatch.time(models, ROUNDS)).map(({ ratio }) => ratio),
            left: () => leftMs(quest) > 0,
          },
          quiet,
        );
      },
      { fast: [], slow: [], ratio: 1 },
    ),
  );
