/** The loss whose slopes criteria ask for: cross-entropy where the output looks like classes, with labels or without. */

import { PareError } from '../base/error.ts';
import { isFloat } from '../graph/dtype.ts';
import type { Graph } from '../graph/model.ts';
import { logitsOf } from '../nn/index.ts';
import { type Builder, draft } from '../ops/builder.ts';
import { infer } from '../ops/infer.ts';
import type { StaticValue } from '../ops/op.ts';

export interface WithLoss {
  readonly graph: Graph;
  readonly loss: string;
  /** The input that takes labels, where they are used. */
  readonly labels?: string;
}

/**
 * Appends a scalar loss to a graph whose dimensions are numbers.
 *
 *   classes [N, C], labels given      cross-entropy against the labels
 *   classes [N, C] or [N, T, C]       cross-entropy against the model's own argmax
 *   anything else                     ½ · mean y², whose slope is the output itself
 *
 * Against its own outputs as real-valued targets a model has no slope at all; its argmax, and its own size, have one.
 */
export function withLoss(graph: Graph, hasLabels: boolean): WithLoss {
  const facts = infer(graph);
  const building = draft(graph, facts);
  const { g } = building;
  const outputs = graph.outputs
    .map(({ name }) => facts.get(logitsOf(graph, name)))
    .filter((value) => value && isFloat(value.dtype));
  const logits = outputs.length === 1 ? asClasses(outputs[0] as StaticValue, g) : undefined;
  if (!logits) {
    const terms = outputs.map((value) => meanSquare(value as StaticValue, g));
    if (terms.length === 0) {
      throw new PareError(
        'prune/output',
        'The model has no output of floats that could tell what a channel is worth.',
        {
          where: graph.name,
          expected: 'an output of floats',
          got: graph.outputs.map(({ name }) => name).join(', '),
        },
      );
    }
    const loss = terms.reduce((a, b) => g.Add(a, b));
    return { graph: building.finish(), loss: loss.name };
  }
  const isPerSample = logits.dims[0] === (outputs[0] as StaticValue).dims[0];
  const useLabels = hasLabels && isPerSample;
  const targets = useLabels
    ? g.input(g.fresh('labels'), 'int64', [logits.dims[0]!])
    : g.ArgMax(logits, { axis: 1, keepdims: 0 });
  const [loss] = g.emit('SoftmaxCrossEntropyLoss', [logits, targets], { reduction: 'mean' });
  return { graph: building.finish(), loss: loss!.name, ...(useLabels && { labels: targets.name }) };
}

/** Logits as [rows, classes], or undefined where the output does not look like classes. */
export function asClasses(y: StaticValue, g: Builder): StaticValue | undefined {
  const [n = 1, ...rest] = y.dims;
  const wide = rest.filter((dim) => dim !== 1);
  if (wide.length === 1) return g.reshape(y, [n, wide[0]!]);
  if (y.dims.length === 3) return g.reshape(y, [n * y.dims[1]!, y.dims[2]!]);
  return undefined;
}

const meanSquare = (y: StaticValue, g: Builder): StaticValue => {
  const count = y.dims.reduce((n, dim) => n * dim, 1);
  const sum = g.ReduceSum(g.reshape(g.Mul(y, y), [count]), [0], { keepdims: 0 });
  return g.Mul(sum, 0.5 / count);
};
