/** `pare eval`: the score of a model on labelled samples, or its agreement with another model. */

import { PareError } from '../../src/base/error.ts';
import { number, path, required } from '../arg.ts';
import { verb } from '../verb.ts';

export const evalVerb = verb({
  name: 'eval',
  about: 'Score a model: accuracy and loss with labels, agreement with a reference without.',
  example: 'pare eval resnet18.onnx --data imagenet/val --preset imagenet',
  takes: { model: required(path('The ONNX model.')) },
  args: {
    reference: path('A model whose answers count as right: the metric is then agreement, and labels are not needed.'),
    batch: number('Samples per run; a model with a fixed batch keeps its own.', { min: 1, whole: true }),
  },
  isParallel: true,
  async run({ model: file, reference: other, batch }, desk) {
    const { agreement, evaluate } = await import('../../src/report/evaluate.ts');
    const { chanceNote } = await import('../../src/report/chance.ts');
    const { showMetric } = await import('../../src/report/summary-table.ts');
    const subject = await desk.read(file);
    const reference = other === undefined ? undefined : await desk.read(other);
    const sets = await desk.sets(subject.model);
    if (!sets) {
      throw new PareError('usage/missing', 'pare eval needs samples to score on.', {
        expected: '--data SPEC or --eval SPEC',
        hint: evalVerb.example,
      });
    }
    const { evaluation } = sets;
    if (!evaluation.labels && !reference) {
      throw new PareError(
        'usage/missing',
        `"${evaluation.name}" has no labels, so there is no right answer to score.`,
        {
          where: evaluation.name,
          expected: 'labels, or --reference MODEL to measure agreement with',
        },
      );
    }
    const lab = await desk.sharedLab();
    const options = batch === undefined ? {} : { batch };
    const score = reference
      ? { loss: null, ...(await agreement(subject, reference, evaluation, lab, options)) }
      : await evaluate(subject, evaluation, lab, options);
    const { metric, samples, loss } = score;
    const note = chanceNote(metric, evaluation);
    if (note !== undefined) desk.note(note);
    return {
      result: { file, metric, loss, samples, data: evaluation.name, ...(other !== undefined && { reference: other }) },
      shown: [
        {
          kind: 'facts',
          facts: [
            [metric.name, showMetric(metric)],
            ['loss', loss === null || Number.isNaN(loss) ? undefined : loss.toPrecision(4)],
            ['samples', `${samples} of ${evaluation.name}`],
          ],
        },
      ],
    };
  },
});
