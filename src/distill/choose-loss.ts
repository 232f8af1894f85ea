/** Which loss suits a teacher's output, where the caller did not say. */

import { bind, type Dataset, portsOf } from '../data/index.ts';
import { type Dim, feedsOf, type Graph, type Model, tensorType } from '../graph/model.ts';
import { answerOf, logitsOf } from '../nn/logits.ts';
import { infer } from '../ops/infer.ts';
import { modernize } from '../ops/modern.ts';
import { placesFor } from '../train/task.ts';
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
export function chooseLoss(model: Model, data: Dataset): ChosenLoss {
  const { graph } = modernize(model);
  const output = answerOf(graph);
  const places = placesFor(model, bind(data, portsOf(graph)));
  if (places)
    return places.isLast
      ? { name: 'soft-targets', why: 'the labels are a class for each place' }
      : { name: 'mse', why: 'the labels are classes of a map' };
  if (data.task === 'classification') return { name: 'soft-targets', why: 'the labels are classes' };
  if (data.task === 'regression') return { name: 'mse', why: 'the labels are numbers' };
  const dims = infer(graph).get(output)?.dims ?? tensorType(graph.outputs.find(({ name }) => name === output))?.dims;
  const echo = { name: 'mse', why: 'the output is shaped like the input' } as const;
  const echoes = dims !== undefined && isEcho(graph, dims);
  // A map in shares is a picture made anew; a row of shares as long as the input may well be classes.
  if (echoes && dims.length > 2) return echo;
  if (logitsOf(graph, output) !== output) return { name: 'soft-targets', why: 'the teacher ends in a softmax' };
  if (!dims) return { name: 'mse', why: 'the shape of the output is not known' };
  const [rank, last] = [dims.length, dims[dims.length - 1]];
  if (rank < 2 || last === 1) return { name: 'mse', why: 'the output is one number' };
  if (rank > 3) return { name: 'mse', why: 'the output is a map' };
  if (echoes) return echo;
  return { name: 'soft-targets', why: `the output looks like logits of ${last} classes` };
}

/** A reconstruction: shaped like an input. */
const isEcho = (graph: Graph, dims: readonly Dim[]): boolean =>
  feedsOf(graph).some((info) => {
    const own = tensorType(info)?.dims;
    return own?.length === dims.length && own.slice(1).every((dim, i) => dim === dims[i + 1]);
  });
