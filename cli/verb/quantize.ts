/** `pare quantize`: weights and activations as 8-bit integers. */

import { PareError } from '../../src/base/error.ts';
import { calibrators } from '../../src/quantize/calibrate/index.ts';
import { flag, many, number, oneOf, path, required, text } from '../arg.ts';
import { finish, methodArgs, stopwatch } from '../finish.ts';
import { verb } from '../verb.ts';

export const quantize = verb({
  name: 'quantize',
  about: 'Store and compute with 8-bit integers: static, calibrated on a few samples.',
  example: 'pare quantize resnet18.onnx --data imagenet/val --preset imagenet --out int8.onnx',
  takes: { model: required(path('The ONNX model to quantise.')) },
  args: {
    calibrate: oneOf(calibrators, 'How the range of an activation is chosen.', 'minmax'),
    samples: number('Samples to calibrate on.', { min: 1, whole: true }, 300),
    perTensor: flag('One weight scale per tensor, not per channel.'),
    exclude: many(text('A node, by its name or its output, or an op, that stays in floats; may be repeated.')),
    products: flag('Quantise products of two computed values, as in attention.'),
    portable: flag('Keep weights safe for processors that add 8-bit products in 16 bits, whatever this one does.'),
    ...methodArgs,
  },
  async run({ model: file, calibrate, samples, perTensor, exclude, products, portable, maxDrop, report: page }, desk) {
    const { quantize: quantizeModel } = await import('../../src/quantize/index.ts');
    const before = await desk.read(file);
    const sets = await desk.sets(before.model);
    const data = sets?.train ?? sets?.evaluation;
    if (!data) {
      throw new PareError('usage/missing', 'pare quantize needs samples to calibrate on; labels are not needed.', {
        expected: '--data SPEC',
        hint: quantize.example,
      });
    }
    if (!sets?.train) desk.note('calibrated on the samples that are scored: --data names others');
    const seconds = stopwatch();
    const { model, report } = await quantizeModel(
      before.model,
      { data, samples, calibrate, perChannel: !perTensor, exclude, products, ...(portable && { pairSafe: true }) },
      await desk.lab(),
    );
    const { scheme, kept, quantized, pairSafe, weightBits, agreement } = report;
    return finish(desk, {
      before,
      model,
      tag: 'int8',
      evaluation: sets?.evaluation,
      maxDrop,
      report: page,
      seconds: seconds(),
      result: { scheme, kept, quantized, pairSafe, weightBits, agreement, calibrationSamples: report.samples },
      shown: [
        {
          kind: 'facts',
          facts: [
            ['scheme', scheme],
            ['on integers', `${quantized} nodes`],
          ],
        },
        {
          kind: 'table',
          columns: [
            { title: 'stayed float', align: 'left' },
            { title: 'op', align: 'left' },
            { title: 'because', align: 'left' },
          ],
          rows: kept.map(({ node, op, why }) => [node, op, why]),
        },
      ],
    });
  },
});
