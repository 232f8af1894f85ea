/** Nodes for graphs that tests write by hand. */

import type { Node } from '../src/graph/model.ts';

/** A node without attributes, called as its output. */
export const node = (op: string, inputs: readonly string[], output: string): Node => ({
  op,
  domain: '',
  name: output,
  inputs,
  outputs: [output],
  attrs: {},
});
