/** Makes nodes for a graph that rules work on, and says what is known of their outputs. */

import type { Attr, Node } from '../graph/model.ts';
import { type AttrInput, attrOf } from '../ops/builder.ts';
import { rowNamed } from '../ops/index.ts';
import { inferNode } from '../ops/infer.ts';
import type { Value } from '../ops/op.ts';
import type { Edit } from './net.ts';

const isAttr = (x: AttrInput | Attr): x is Attr => typeof x === 'object' && x !== null && 'kind' in x && 'value' in x;

export interface Emitter {
  readonly emit: Edit['emit'];
  /** What was made since the last call. */
  readonly take: () => Node[];
}

/** `fresh` gives free names; what is inferred of new values goes into `facts`. */
export function emitter(fresh: (wish: string) => string, facts: Map<string, Value>): Emitter {
  let pending: Node[] = [];
  const emit: Edit['emit'] = (op, inputs, attrs = {}, { like, domain = '', outputs: count = 1 } = {}) => {
    const row = rowNamed(op, domain);
    const { doc, metadata } = like ?? {};
    const name = like?.name || fresh(op);
    const node: Node = {
      op,
      domain,
      name,
      inputs,
      outputs: Array.from({ length: count }, (_, i) => fresh(i === 0 ? `${name}_out` : `${name}_out${i}`)),
      attrs: Object.fromEntries(
        Object.entries(attrs).flatMap(([key, value]) =>
          value === undefined ? [] : [[key, isAttr(value) ? value : attrOf(row, key, value)]],
        ),
      ),
      ...(doc !== undefined && { doc }),
      ...(metadata !== undefined && { metadata }),
    };
    pending.push(node);
    inferNode(node, (input) => facts.get(input)).forEach((value, i) => {
      if (value) facts.set(node.outputs[i]!, { ...value, name: node.outputs[i]! });
    });
    return node.outputs[0]!;
  };
  return {
    emit,
    take: () => {
      const taken = pending;
      pending = [];
      return taken;
    },
  };
}
