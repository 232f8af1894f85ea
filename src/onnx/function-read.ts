/** FunctionProto → LocalFunction. Functions are read and carried; what is written is the message that was read. */

import type { Attr, LocalFunction, Node } from '../graph/model.ts';
import { FUNCTION } from './field.ts';
import { domainName, readAttr, readNode } from './graph-read.ts';
import type { Reading } from './tensor-read.ts';
import { type Cursor, nextField, readMessage, readText, skip } from './wire-read.ts';

/** Reads the function that the cursor has gone into. */
export function readFunction(c: Cursor, reading: Reading, readOpset: (c: Cursor) => [string, number]): LocalFunction {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const nodes: Node[] = [];
  const defaults: [string, Attr][] = [];
  const opsets: [string, number][] = [];
  let [op, domain, overload] = ['', '', ''];
  while (nextField(c)) {
    if (c.field === FUNCTION.name) op = readText(c);
    else if (c.field === FUNCTION.domain) domain = domainName(readText(c));
    else if (c.field === FUNCTION.overload) overload = readText(c);
    else if (c.field === FUNCTION.input) inputs.push(readText(c));
    else if (c.field === FUNCTION.output) outputs.push(readText(c));
    else if (c.field === FUNCTION.node) nodes.push(readMessage(c, (bytes) => readNode(c, bytes, reading)));
    else if (c.field === FUNCTION.opset) opsets.push(readMessage(c, () => readOpset(c)));
    else if (c.field === FUNCTION.fallback) defaults.push(readMessage(c, (bytes) => readAttr(c, bytes, reading)));
    else skip(c);
  }
  return {
    op,
    domain,
    ...(overload && { overload }),
    inputs,
    outputs,
    nodes,
    defaults: Object.fromEntries(defaults),
    opsets: Object.fromEntries(opsets),
  };
}
