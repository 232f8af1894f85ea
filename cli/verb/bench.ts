/** `pare bench`: latency and throughput of models, run in turn so that their ratios hold on a noisy machine. */

import { PareError } from '../../src/base/error.ts';
import { showBytes, showMs, showTimes } from '../../src/base/unit.ts';
import { many, number, path } from '../arg.ts';
import { verb } from '../verb.ts';

export const bench = verb({
  name: 'bench',
  about: 'Latency and throughput of one or more models, interleaved.',
  example: 'pare bench resnet18.onnx resnet18.int8.onnx --threads 1 --batch 1',
  takes: { models: many(path('The ONNX models; ratios are to the first.')) },
  args: {
    batch: number('Samples per run; a model with a fixed batch keeps its own.', { min: 1, whole: true }, 1),
    rounds: number('Timed samples per model.', { min: 3, max: 10_000, whole: true }, 30),
  },
  async run({ models: files, batch, rounds, threads }, desk) {
    const { measureModels } = await import('../../src/report/measure-models.ts');
    const subjects = [];
    for (const file of files) subjects.push(await desk.read(file));
    const sets = await desk.sets(subjects[0]!.model);
    const lab = await desk.lab();
    const measured = await measureModels(subjects, lab, {
      batches: [batch],
      rounds,
      dims: desk.dims,
      threads: threads ?? lab.engine.threads,
      ...(sets && { data: sets.evaluation }),
    });
    const models = measured.map(({ bytes, parameters, macs, timings }, i) => {
      const timing = timings[0];
      if (!timing)
        throw new PareError('engine/run', `"${files[i]}" cannot run a batch of ${batch}.`, { where: files[i]! });
      const { p50Ms, p95Ms } = timing;
      return {
        file: files[i]!,
        batch: timing.batch,
        p50Ms,
        p95Ms,
        samplesPerSecond: (timing.batch * 1000) / p50Ms,
        bytes,
        parameters,
        macs,
      };
    });
    // Paired rounds where both ran the same batch; else time per sample of the medians.
    const ratios = models.slice(1).map((model, i) => {
      const { ratio, ratioLow, ratioHigh } = measured[i + 1]!.timings[0]!;
      const isPaired = model.batch === models[0]!.batch;
      const perSample = models[0]!.samplesPerSecond / model.samplesPerSecond;
      return {
        file: model.file,
        to: models[0]!.file,
        ratio: isPaired ? ratio : perSample,
        ...(isPaired && { low: ratioLow, high: ratioHigh }),
      };
    });
    if (models.some((model) => model.batch !== models[0]!.batch)) {
      desk.note('the models have different fixed batches: ratios are of time per sample');
    }
    return {
      result: { models, ratios, threads: threads ?? lab.engine.threads, rounds, engine: lab.engine.name },
      shown: [
        {
          kind: 'table',
          columns: [
            { title: 'model', align: 'left' },
            { title: 'batch' },
            { title: 'p50' },
            { title: 'p95' },
            { title: 'samples/s' },
            { title: 'time to first' },
            { title: '10–90 %' },
            { title: 'size' },
          ],
          rows: models.map((model, i) => {
            const ratio = ratios[i - 1];
            return [
              model.file,
              `${model.batch}`,
              showMs(model.p50Ms),
              showMs(model.p95Ms),
              model.samplesPerSecond.toPrecision(4),
              ratio ? showTimes(ratio.ratio) : '',
              ratio?.low === undefined ? '' : `${ratio.low.toFixed(2)}–${ratio.high!.toFixed(2)}`,
              showBytes(model.bytes),
            ];
          }),
        },
        {
          kind: 'text',
          text: `${rounds} rounds, ${inWords(threads ?? lab.engine.threads)}, ${lab.engine.name} engine`,
        },
      ],
    };
  },
});

const inWords = (threads: number): string => `${threads} ${threads === 1 ? 'thread' : 'threads'}`;
