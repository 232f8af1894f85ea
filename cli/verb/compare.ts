/** `pare compare`: two models on the same inputs, output by output and layer by layer. */

import { showShare } from '../../src/base/unit.ts';
import { number, path, required } from '../arg.ts';
import { verb } from '../verb.ts';

export const compare = verb({
  name: 'compare',
  about: 'Two models on the same inputs: how far apart, and from which layer on.',
  example: 'pare compare resnet18.onnx resnet18.int8.onnx --data imagenet/val',
  takes: { a: required(path('The model to compare with.')), b: required(path('The model to compare.')) },
  args: { samples: number('Samples to compare on.', { min: 1, whole: true }, 32) },
  async run({ a, b, samples }, desk) {
    const { compareModels } = await import('../../src/report/compare-models.ts');
    const { lengthsThatRun } = await import('../../src/report/random-feeds.ts');
    const { adviceOn } = await import('../../src/report/advice.ts');
    const { noise, portsOf, take } = await import('../../src/data/index.ts');
    const [left, right] = [await desk.read(a), await desk.read(b)];
    const sets = await desk.sets(left.model);
    if (!sets) desk.note('inputs are random (--data names real ones): distances on real data may differ');
    const dataset = sets
      ? take(sets.evaluation, samples)
      : noise(portsOf(left.model.graph), {
          size: samples,
          seed: desk.values.seed,
          dims: await lengthsThatRun(left, await desk.lab(), desk.dims),
        });
    const { outputs, layers } = await compareModels(left, right, dataset, await desk.lab());
    const advice = adviceOn({ outputs, layers });
    const figures = ({ maxAbs, relL2, cosine, differs }: (typeof outputs)[number]): string[] =>
      differs === undefined ? [short(maxAbs), short(relL2), cosine.toFixed(6)] : ['', '', '', differs];
    return {
      result: { a, b, samples: dataset.size, outputs, layers, advice },
      shown: [
        { kind: 'text', text: advice.sentences.join('\n') },
        {
          kind: 'table',
          columns: [
            { title: 'output', align: 'left' },
            { title: 'max |Δ|' },
            { title: 'relative L2' },
            { title: 'cosine' },
            { title: 'dimensions', align: 'left' },
            { title: 'same answer' },
          ],
          rows: outputs.map((output) => [
            output.name,
            ...[...figures(output), ''].slice(0, 4),
            output.top1Agreement === undefined ? '' : showShare(output.top1Agreement),
          ]),
        },
        layers.length === 0
          ? { kind: 'text', text: 'The two share no inner value by name.' }
          : {
              kind: 'table',
              columns: [
                { title: 'layer', align: 'left' },
                { title: 'op', align: 'left' },
                { title: 'max |Δ|' },
                { title: 'relative L2' },
                { title: 'cosine' },
                { title: 'dimensions', align: 'left' },
              ],
              rows: layers.map((layer) => [layer.name, layer.op, ...figures(layer)]),
            },
      ],
    };
  },
});

const short = (x: number): string => (x === 0 ? '0' : x.toExponential(2));
