/** What the nodes of a file are, read without the rest: for counting. */

import { GRAPH, MODEL, NODE } from './field.ts';
import { cursor, nextField, readMessage, readText, skip } from './wire-read.ts';

/**
 * The op type of each node of the file's main graph, in order.
 *
 * Throws   onnx/truncated, onnx/malformed.
 */
export function nodeOps(bytes: Uint8Array): string[] {
  const ops: string[] = [];
  const c = cursor(bytes);
  const within = (way: readonly number[]): void => {
    const [field, ...deeper] = way;
    while (nextField(c)) {
      if (c.field !== field) skip(c);
      else if (deeper.length === 0) ops.push(readText(c));
      else readMessage(c, () => within(deeper));
    }
  };
  within([MODEL.graph, GRAPH.node, NODE.op]);
  return ops;
}
