/** Fine-tuning by distillation from the model that the recipe began with, or that the step "tune" made of it. */

import { PareError } from '../../base/error.ts';
import { take } from '../../data/index.ts';
import { chooseLoss, distillLosses, distill as distillModel, record, softTargets } from '../../distill/index.ts';
import { withCopies } from '../copies.ts';
import { howToFit, learnLabels, lesson, toldOf } from '../lesson.ts';
import { amount, count, oneOf, share } from '../option.ts';
import { step } from '../step.ts';

export const distill = step({
  about: 'fine-tune on what the original answers',
  options: {
    ...lesson,
    loss: oneOf(distillLosses, 'what makes it like the original; default: as its output asks for, see pare distill'),
    temperature: amount('how soft the targets are; default: 4, and more where the answers are large numbers'),
    labels: share(
      'share of the loss that comes from labels, where there are any; with all of it, no teacher is asked',
      0.1,
    ),
    copies: count('changed copies of each sample', 2),
  },
  needsSamples: true,
  async run(model, options, { original, learn, validation, answers }, lab) {
    const { epochs, labels, samples, augment, copies } = options;
    if (!learn) throw new PareError('recipe/data', 'The step "distill" needs samples.', { expected: '--data SPEC' });
    if (labels === 1 && learn.labels) {
      const { model: learnt, report } = await learnLabels(model, options, learn, validation, lab);
      return { model: learnt, notes: [toldOf(report, epochs)] };
    }
    const some = samples === undefined ? learn : take(learn, samples);
    const data = augment === undefined ? some : withCopies(some, augment, copies, lab.seed);
    const isFixed = data.atEpoch === undefined;
    const key = `${some.size} ${augment} ${copies}`;
    const loss = options.loss ?? chooseLoss(original, learn).name;
    const recorded = answers && isFixed ? await answers(data, key, lab) : undefined;
    const known = async () => recorded ?? (await record(original, take(some, Math.min(some.size, SEEN)), lab));
    const isSoft = loss === 'soft-targets';
    const temperature = options.temperature ?? (isSoft ? temperatureFor((await known()).values) : undefined);
    const { model: learnt, report } = await distillModel(
      model,
      original,
      data,
      {
        ...howToFit(options, data, validation),
        labels,
        loss: temperature !== undefined && isSoft ? softTargets({ T: temperature }) : distillLosses[loss](),
        ...(recorded && { recorded }),
      },
      lab,
    );
    return {
      model: learnt,
      settled: { loss, ...(temperature !== undefined && { temperature }) },
      notes: [toldOf(report, epochs)],
    };
  },
});

/** Samples whose answers tell how large answers are. */
const SEEN = 256;
/** The usual temperature, and the standard deviation of logits up to which it softens them. */
const USUAL = { temperature: 4, deviation: 8 };

/** Logits in thousands would be as hard as labels: what is not the best answer says nothing then. */
function temperatureFor(logits: Float32Array): number {
  const mean = logits.reduce((sum, value) => sum + value, 0) / logits.length;
  const deviation = Math.sqrt(logits.reduce((sum, value) => sum + (value - mean) ** 2, 0) / logits.length);
  return Number((USUAL.temperature * Math.max(1, deviation / USUAL.deviation)).toPrecision(3));
}
