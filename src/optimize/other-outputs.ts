/** Outputs besides the one that answers: without labels a sample is answered alike only where all of them are. */

import type { Dataset } from '../data/index.ts';
import { isFloat } from '../graph/dtype.ts';
import { type Model, tensorType } from '../graph/model.ts';
import { sizeOf } from '../graph/tensor.ts';
import { answerOf } from '../nn/index.ts';
import type { Lab } from '../runtime/index.ts';
import { predictEach } from '../train/predict.ts';
import { type Outputs, type ReadingName, readingFor, readings } from './reading.ts';

export interface Other {
  readonly wanted: Outputs;
  readonly reading: ReadingName;
}

/** Elements up to which an output's answers to all samples are kept. */
const MOST = 2 ** 25;

/** What the original answers in its further outputs of floats, those that have a row for each sample. */
export async function otherOutputs(original: Model, data: Dataset, lab: Lab): Promise<Map<string, Other>> {
  const answer = answerOf(original.graph);
  const names = original.graph.outputs.flatMap((info) => {
    const dtype = tensorType(info)?.dtype;
    return dtype && isFloat(dtype) && info.name !== answer ? [info.name] : [];
  });
  if (names.length === 0) return new Map();
  const isKept = ({ dims }: { readonly dims: readonly number[] }, samples: number): boolean =>
    dims[0] === samples && sizeOf(dims.slice(1)) * data.size <= MOST;
  const all = await predictEach(original, data, names, { task: 'score the original' }, lab, isKept);
  return new Map([...all].map(([name, wanted]) => [name, { wanted, reading: readingFor(original, wanted, data) }]));
}

/** A sample's credit is the least that any output gives it. */
export function agreed(
  credits: Float64Array,
  others: ReadonlyMap<string, Other> | undefined,
  rest: ReadonlyMap<string, Outputs> | undefined,
): Float64Array {
  for (const [name, { wanted, reading }] of others ?? []) {
    const outputs = rest?.get(name);
    if (!outputs) continue;
    for (const [i, credit] of readings[reading].credits(outputs, wanted).entries()) {
      credits[i] = Math.min(credits[i]!, credit);
    }
  }
  return credits;
}
