/** What a model's inner values take, by the sample: how many samples may run at a time. */

import type { Graph } from '../graph/model.ts';
import { infer } from '../ops/infer.ts';
import { fixedBatch } from './port.ts';

/** Bytes of a value for one sample; unknown dimensions count as 1. */
export function bytesPerSample(graph: Graph, facts = infer(graph)): (name: string) => number {
  const fixed = fixedBatch(graph) ?? 1;
  return (name) =>
    (4 / fixed) *
    (facts.get(name)?.dims ?? []).reduce<number>((n, dim) => (typeof dim === 'number' ? n * Math.max(1, dim) : n), 1);
}
