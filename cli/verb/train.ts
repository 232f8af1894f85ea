/** `pare train`: a model learns, or goes on learning. */

import { PareError } from '../../src/base/error.ts';
import { path, required } from '../arg.ts';
import { finish, methodArgs, stopwatch } from '../finish.ts';
import { fitOptions, learningArgs } from '../learning.ts';
import { verb } from '../verb.ts';

export const train = verb({
  name: 'train',
  about: 'Train or fine-tune a model.',
  example: 'pare train resnet20.onnx --data cifar10 --preset unit --epochs 10 --out tuned.onnx',
  takes: { model: required(path('The ONNX model to train.')) },
  args: { ...learningArgs, ...methodArgs },
  async run({ model: file, maxDrop, report: page, ...values }, desk) {
    const { fit } = await import('../../src/train/index.ts');
    const { split } = await import('../../src/data/index.ts');
    const before = await desk.read(file);
    const sets = await desk.sets(before.model);
    if (!sets?.train)
      throw new PareError('usage/missing', 'pare train needs samples with labels.', {
        expected: '--data SPEC',
        hint: train.example,
      });
    const parts = sets.validation
      ? { train: sets.train, validation: sets.validation }
      : split(sets.train, { validation: 0.1, seed: desk.values.seed });
    const seconds = stopwatch();
    const { model, report } = await fit(
      before.model,
      parts.train,
      { ...fitOptions(values), ...(parts.validation && { validation: parts.validation }) },
      await desk.lab(),
    );
    const last = report.epochs[report.kept];
    return finish(desk, {
      before,
      model,
      tag: 'trained',
      evaluation: sets.evaluation,
      maxDrop,
      report: page,
      seconds: seconds(),
      curves: [{ step: 'trained', epochs: report.epochs }],
      result: { epochs: report.epochs, kept: report.kept, metric: last?.metric },
    });
  },
});
