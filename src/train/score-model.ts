/** The metric of a finished model on a data set. */

import { type Dataset, LABELS } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import { floats, sizeOf } from '../graph/tensor.ts';
import { answerOf } from '../nn/logits.ts';
import type { Lab } from '../runtime/index.ts';
import { metricFor } from './metric/index.ts';
import type { Metric } from './metric/metric.ts';
import { predict } from './predict.ts';

/** Runs the model as it will be run in use and scores its first output against the labels. */
export async function scoreModel(
  model: Model,
  data: Dataset,
  lab: Lab,
  { metric = metricFor(data.task), batch }: { metric?: Metric; batch?: number } = {},
): Promise<number> {
  const output = answerOf(model.graph);
  const labelSize = data.labels ? sizeOf(data.labels.dims) : 1;
  const count = metric.start();
  for await (const { indices, count: samples, values } of predict(
    model,
    data,
    { outputs: [output], task: 'score', ...(batch && { batch }) },
    lab,
  )) {
    const labels =
      data.task === 'regression'
        ? new Float32Array(indices.length * labelSize)
        : new BigInt64Array(indices.length * labelSize);
    data.fill(LABELS, indices, labels);
    const answers = values[output]!;
    count.see(floats(answers), labels, samples, sizeOf(answers.dims.slice(1)));
  }
  return count.value();
}
