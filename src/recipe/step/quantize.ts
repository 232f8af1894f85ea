/** Integers: kernels where they are asked for, storage for the rest. */

import { PareError } from '../../base/error.ts';
import { take } from '../../data/index.ts';
import type { Model } from '../../graph/model.ts';
import { modernize } from '../../ops/modern.ts';
import {
  calibrators,
  kernelFormFor,
  quantizeAware,
  quantize as quantizeModel,
  roundings,
  toHalfStorage,
} from '../../quantize/index.ts';
import { narrowing } from '../../quantize/narrow.ts';
import { prepare } from '../../quantize/prepare.ts';
import { floatWeights, storeWeights } from '../../quantize/store.ts';
import { amount, count, flag, names, oneOf } from '../option.ts';
import { step } from '../step.ts';
import { tuners } from '../tuner.ts';

/** What learns while it rounds is almost right already: it moves at this share of an optimiser's rate. */
const GENTLE = 0.1;

/** How weights of what computes in floats are stored. */
const STORED: Readonly<Record<'int8' | 'float16', (model: Model) => Model>> = {
  int8: storeWeights,
  float16: (model) => {
    const weights = new Set(floatWeights(model.graph));
    const exclude = [...model.graph.initializers.keys()].filter((name) => !weights.has(name));
    return toHalfStorage(model, { exclude }).model;
  },
};

export const quantize = step({
  about: '8-bit integers: weights and activations, calibrated on samples',
  options: {
    calibrate: oneOf(calibrators, 'how ranges of activations are chosen', 'minmax'),
    samples: count('samples to calibrate on', 300),
    round: oneOf(roundings, 'how weights are rounded', 'nearest'),
    narrow: names('layers whose weights have 4 bits', []),
    equalize: flag('even out the channels of neighbouring layers first', false),
    epochs: count('passes over the samples in which the network learns while it rounds; default: none'),
    optimizer: oneOf(tuners, 'how weights move, with epochs', 'adam'),
    lr: amount("peak learning rate, with epochs; default: a tenth of the optimiser's own"),
    learnFrom: count('samples to learn from at most, with epochs'),
    exclude: names('nodes or ops that compute in floats', []),
    perChannel: flag('a weight scale per channel', true),
    products: flag('quantise products of two computed values, as in attention', false),
    pairSafe: flag(
      'keep pairs of weights safe for processors that add products in 16 bits; default: as this one needs',
    ),
    strips: flag('let convolutions of few channels compute several columns at once; default: as is faster here'),
    store: flag('store the weights of what stays float in fewer bits too', true),
    floats: oneOf(STORED, 'in what form', 'int8'),
  },
  needsSamples: true,
  async run(
    model,
    { store, floats, pairSafe, strips, samples, epochs, optimizer, lr, learnFrom, narrow, ...options },
    { learn },
    lab,
  ) {
    if (!learn) throw new PareError('recipe/data', 'The step "quantize" needs samples.', { expected: '--data SPEC' });
    const form = await kernelFormFor(lab.engine, { pairSafe, strips });
    const how = {
      ...options,
      ...(narrow.length > 0 && narrowing(prepare(modernize(model)), narrow)),
      samples: Math.min(samples, learn.size),
      ...form,
    };
    try {
      const { model: made, notes } = epochs === undefined ? await calibrated() : await learnt(epochs);
      return { model: store ? STORED[floats](made) : made, settled: form, notes };
    } catch (thrown) {
      if (!(thrown instanceof PareError) || thrown.code !== 'quantize/nothing' || !store) throw thrown;
      return {
        model: STORED[floats](modernize(model)),
        settled: form,
        notes: ['no node can run on integers'],
      };
    }

    async function calibrated() {
      const { model: made, report } = await quantizeModel(model, { ...how, data: learn! }, lab);
      const floats = report.kept.length > 0 ? `, ${report.kept.length} float` : '';
      const bits = narrow.length > 0 ? `, weights of ${narrow.length} layers in 4 bits` : '';
      return { model: made, notes: [`${report.quantized} nodes on integers${floats}${bits}`] };
    }

    async function learnt(passes: number) {
      const data = learnFrom === undefined ? learn! : take(learn!, learnFrom);
      const { round: _, equalize: __, ...rest } = how;
      const { model: made, report } = await quantizeAware(
        model,
        {
          ...rest,
          ...{ data, epochs: passes, batch: Math.min(64, data.size), samples: Math.min(samples, data.size) },
          optimizer: (updates) => tuners[optimizer].make(lr ?? tuners[optimizer].lr * GENTLE, updates),
        },
        lab,
      );
      const last = report.epochs.at(-1);
      return { model: made, notes: [`learnt for ${passes} epochs while rounding, loss ${last?.loss.toPrecision(3)}`] };
    }
  },
});
