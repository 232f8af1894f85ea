/** Fine-tuning by distillation from the model that the recipe began with. */

import { PareError } from '../../base/error.ts';
import { take } from '../../data/index.ts';
import { distillLosses, distill as distillModel, softTargets } from '../../distill/index.ts';
import { adam, cosine } from '../../train/index.ts';
import { changes, withCopies } from '../copies.ts';
import { amount, count, oneOf, share } from '../option.ts';
import { step } from '../step.ts';

export const distill = step({
  about: 'fine-tune on what the original answers',
  options: {
    epochs: count('passes over the samples', 3),
    batch: count('samples per step', 64),
    lr: amount('peak learning rate of Adam; it falls as a cosine', 1e-3),
    loss: oneOf(distillLosses, 'what makes it like the original', 'soft-targets'),
    temperature: amount('how soft the targets are', 4),
    labels: share('share of the loss that comes from labels, where there are any', 0.1),
    samples: count('learn from this many at most'),
    augment: oneOf(changes, 'learn from changed copies of the images, too: shifted, or flipped and shifted'),
    copies: count('changed copies of each image', 2),
  },
  needsSamples: true,
  async run(model, options, { original, learn, validation, answers }, lab) {
    const { epochs, batch, lr, loss, temperature, labels, samples, augment, copies } = options;
    if (!learn) throw new PareError('recipe/data', 'The step "distill" needs samples.', { expected: '--data SPEC' });
    const some = samples === undefined ? learn : take(learn, samples);
    const data = augment === undefined ? some : withCopies(some, augment, copies, lab.seed);
    const isFixed = data.atEpoch === undefined;
    const key = `${some.size} ${augment} ${copies}`;
    const { model: learnt, report } = await distillModel(
      model,
      original,
      data,
      {
        epochs,
        batch: Math.min(batch, data.size),
        labels,
        loss: distillLosses[loss] === softTargets ? softTargets({ T: temperature }) : distillLosses[loss](),
        optimizer: (updates: number) => adam({ lr: cosine(lr, updates) }),
        clipNorm: 5,
        ...(answers && isFixed && { recorded: await answers(data, key, lab) }),
        ...(validation && validation.task !== 'unlabelled' && { validation }),
      },
      lab,
    );
    const last = report.epochs[report.kept];
    return {
      model: learnt,
      notes: [`epoch ${report.kept + 1} of ${epochs} kept${last ? `, loss ${last.loss.toPrecision(3)}` : ''}`],
    };
  },
});
