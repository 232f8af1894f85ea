/** Fine-tuning by distillation from the model that the recipe began with, or that the step "tune" made of it. */

import { PareError } from '../../base/error.ts';
import { take } from '../../data/index.ts';
import { distillLosses, distill as distillModel, softTargets } from '../../distill/index.ts';
import { withCopies } from '../copies.ts';
import { howToFit, learnLabels, lesson, toldOf } from '../lesson.ts';
import { amount, count, oneOf, share } from '../option.ts';
import { step } from '../step.ts';

export const distill = step({
  about: 'fine-tune on what the original answers',
  options: {
    ...lesson,
    loss: oneOf(distillLosses, 'what makes it like the original', 'soft-targets'),
    temperature: amount('how soft the targets are', 4),
    labels: share(
      'share of the loss that comes from labels, where there are any; with all of it, no teacher is asked',
      0.1,
    ),
    copies: count('changed copies of each image', 2),
  },
  needsSamples: true,
  async run(model, options, { original, learn, validation, answers }, lab) {
    const { epochs, loss, temperature, labels, samples, augment, copies } = options;
    if (!learn) throw new PareError('recipe/data', 'The step "distill" needs samples.', { expected: '--data SPEC' });
    if (labels === 1 && learn.labels) {
      const { model: learnt, report } = await learnLabels(model, options, learn, validation, lab);
      return { model: learnt, notes: [toldOf(report, epochs)] };
    }
    const some = samples === undefined ? learn : take(learn, samples);
    const data = augment === undefined ? some : withCopies(some, augment, copies, lab.seed);
    const isFixed = data.atEpoch === undefined;
    const key = `${some.size} ${augment} ${copies}`;
    const { model: learnt, report } = await distillModel(
      model,
      original,
      data,
      {
        ...howToFit(options, data, validation),
        labels,
        loss: distillLosses[loss] === softTargets ? softTargets({ T: temperature }) : distillLosses[loss](),
        ...(answers && isFixed && { recorded: await answers(data, key, lab) }),
      },
      lab,
    );
    return { model: learnt, notes: [toldOf(report, epochs)] };
  },
});
