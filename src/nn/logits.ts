/** The output that answers, and the logits behind a classifier's probabilities. */

import { isFloat } from '../graph/dtype.ts';
import { producers } from '../graph/edit.ts';
import { type Graph, tensorType } from '../graph/model.ts';

/** Ops at the end of a classifier that a cross-entropy of logits makes superfluous. */
const PROBABILITIES = new Set(['Softmax', 'LogSoftmax', 'Sigmoid']);
const CARRIERS = new Set(['Identity', 'Cast', 'Reshape', 'Flatten', 'Squeeze']);

/** The output that answers a sample: the first of floats (scikit-learn's classifiers give the chosen class before the scores), else the first. */
export function answerOf({ outputs }: Graph): string {
  const answer = outputs.find((info) => {
    const type = tensorType(info);
    return type !== undefined && isFloat(type.dtype);
  });
  return (answer ?? outputs[0]!).name;
}

/** Are integers all that is answered? The class itself then, as scikit-learn's classifiers give it beside a map of scores. */
export function givesChoice(graph: Graph): boolean {
  const type = tensorType(graph.outputs.find(({ name }) => name === answerOf(graph)));
  return type !== undefined && /^u?int/.test(type.dtype);
}

/** The value that holds the logits of `output` (default: the output that answers): what a final softmax or sigmoid reads, or the output itself. */
export function logitsOf(graph: Graph, output: string = answerOf(graph)): string {
  const made = producers(graph);
  let name = output;
  for (
    let node = made.get(name);
    node && (CARRIERS.has(node.op) || PROBABILITIES.has(node.op));
    node = made.get(name)
  ) {
    name = node.inputs[0]!;
    if (PROBABILITIES.has(node.op)) return name;
  }
  return output;
}
