/** A small model of our own making, for measuring and for learning parts of others. */

import type { Graph, Model, ValueInfo } from '../graph/model.ts';
import { MODERN_OPSET } from './modern.ts';
import type { Value } from './op.ts';

/** A graph as a model in the opset of rows. */
export const modelFrom = (graph: Graph): Model => ({
  ir: 10,
  opsets: { '': MODERN_OPSET },
  graph,
  producer: { name: 'pare', version: '' },
  metadata: {},
});

/** What was drafted so far, as a model in the opset of rows that answers with these values. */
export const modelOf = (
  { finish }: { readonly finish: (outputs: ValueInfo[]) => Graph },
  ...outputs: readonly Value[]
): Model =>
  modelFrom(finish(outputs.map(({ name, dtype, dims }) => ({ name, type: { kind: 'tensor', dtype, dims } }))));
