/** Which loss suits a teacher's output, where the caller did not say. */

import type { Dataset } from '../data/index.ts';
import { feedsOf, type Graph, tensorType } from '../graph/model.ts';
import { logitsOf } from '../nn/logits.ts';
import { infer } from '../ops/infer.ts';
import type { DistillLossName } from './loss/index.ts';

export interface ChosenLoss {
  readonly name: DistillLossName;
  readonly why: string;
}

/**
 * Soft targets where the output is a choice among classes, squared differences where it is numbers.
 *
 * Labels decide where there are any. Without, a final softmax tells classes; one number per sample, an output shaped
 * like an input (a reconstruction) or with spatial axes tells numbers; anything else [N, ..., K] counts as logits.
 */
export function chooseLoss(graph: Graph, data: Dataset): ChosenLoss {
  const output = graph.outputs[0]!.name;
  if (data.task === 'classification') return { name: 'soft-targets', why: 'the labels are classes' };
  if (data.task === 'regression') return { name: 'mse', why: 'the labels are numbers' };
  if (logitsOf(graph, output) !== output) return { name: 'soft-targets', why: 'the teacher ends in a softmax' };
  const dims = infer(graph).get(output)?.dims ?? tensorType(graph.outputs[0]!)?.dims;
  if (!dims) return { name: 'mse', why: 'the shape of the output is not known' };
  const [rank, last] = [dims.length, dims[dims.length - 1]];
  if (rank < 2 || last === 1) return { name: 'mse', why: 'the output is one number' };
  if (rank > 3) return { name: 'mse', why: 'the output is a map' };
  const isEcho = feedsOf(graph).some((info) => {
    const own = tensorType(info)?.dims;
    return own?.length === rank && own.slice(1).every((dim, i) => dim === dims[i + 1]);
  });
  if (isEcho) return { name: 'mse', why: 'the output is shaped like the input' };
  return { name: 'soft-targets', why: `the output looks like logits of ${last} classes` };
}
