/** `pare distill`: a small model learns what a large one answers. */

import { PareError } from '../../src/base/error.ts';
import { distillLosses, softTargets } from '../../src/distill/loss/index.ts';
import { number, oneOf, path, percent, required } from '../arg.ts';
import { finish, methodArgs, stopwatch } from '../finish.ts';
import { fitOptions, learningArgs } from '../learning.ts';
import { verb } from '../verb.ts';

export const distill = verb({
  name: 'distill',
  about: "Train a student on a teacher's recorded outputs; labels are welcome and not needed.",
  example: 'pare distill resnet56.onnx small.onnx --data cifar10 --epochs 20 --out student.onnx',
  takes: {
    teacher: required(path('The ONNX model that knows.')),
    student: required(path('The ONNX model that learns.')),
  },
  args: {
    ...learningArgs,
    loss: oneOf(distillLosses, 'What makes the student like the teacher.', 'soft-targets'),
    temperature: number('How soft the targets are.', { min: 0.01 }, 4),
    labels: percent('Share of the loss that comes from the labels, where there are any.', '10%'),
    ...methodArgs,
  },
  async run(
    { teacher: teacherFile, student: studentFile, loss, temperature, labels, maxDrop, report: page, ...values },
    desk,
  ) {
    const [{ distill: distillModel }, { split }] = await Promise.all([
      import('../../src/distill/index.ts'),
      import('../../src/data/index.ts'),
    ]);
    const teacher = await desk.read(teacherFile);
    const before = await desk.read(studentFile);
    const sets = await desk.sets(before.model);
    if (!sets?.train)
      throw new PareError('usage/missing', 'pare distill needs samples; labels are not needed.', {
        expected: '--data SPEC',
        hint: distill.example,
      });
    const isLabelled = sets.train.labels !== undefined;
    const parts =
      sets.validation || !isLabelled ? sets : split(sets.train, { validation: 0.1, seed: desk.values.seed });
    const seconds = stopwatch();
    const { model, report } = await distillModel(
      before.model,
      teacher.model,
      parts.train ?? sets.train,
      {
        ...fitOptions(values),
        labels,
        loss: distillLosses[loss] === softTargets ? softTargets({ T: temperature }) : distillLosses[loss](),
        ...(parts.validation && { validation: parts.validation }),
      },
      await desk.lab(),
    );
    const { measureModels } = await import('../../src/report/index.ts');
    const [measured] = await measureModels([teacher], await desk.lab(), { rounds: 9 });
    const { name: _, timings, unknown: __, ...sizes } = measured!;
    return finish(desk, {
      before,
      model,
      tag: 'distilled',
      evaluation: isLabelled || sets.evaluation.labels ? sets.evaluation : undefined,
      maxDrop,
      report: page,
      seconds: seconds(),
      curves: [{ step: 'distilled', epochs: report.epochs }],
      result: { teacher: { ...sizes, latencyMs: timings[0]?.p50Ms }, epochs: report.epochs },
    });
  },
});
