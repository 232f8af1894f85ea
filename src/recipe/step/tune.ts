/** The model itself learns more from labels, and teaches what follows. */

import { PareError } from '../../base/error.ts';
import { learnLabels, lesson, toldOf } from '../lesson.ts';
import { step } from '../step.ts';

export const tune = step({
  about: 'teach the model on labels; what it then answers is what later steps learn from',
  options: lesson,
  needsSamples: true,
  teaches: true,
  async run(model, values, { learn, validation }, lab) {
    if (!learn?.labels) {
      throw new PareError('recipe/data', 'The step "tune" needs samples with labels.', { expected: '--data SPEC' });
    }
    const { model: learnt, report } = await learnLabels(model, values, learn, validation, lab);
    return { model: learnt, notes: [toldOf(report, values.epochs)] };
  },
});
