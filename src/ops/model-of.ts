/** A small model of our own making, for measuring and for learning parts of others. */

import type { Graph, Model, ValueInfo } from '../graph/model.ts';
import { MODERN_OPSET } from './modern.ts';
import type { Value } from './op.ts';

/** What was drafted so far, as a model in the opset of rows that answers with these values. */
export function modelOf(
  { finish }: { readonly finish: (outputs: ValueInfo[]) => Graph },
  ...outputs: readonly Value[]
): Model {
  const graph = finish(outputs.map(({ name, dtype, dims }) => ({ name, type: { kind: 'tensor', dtype, dims } })));
  return { ir: 10, opsets: { '': MODERN_OPSET }, graph, producer: { name: 'pare', version: '' }, metadata: {} };
}
