/** A sub-graph's nodes set down among those of the graph around it, under fresh names, composite ones in their parts. */

import { readAs } from '../graph/edit.ts';
import type { Graph, Node } from '../graph/model.ts';
import type { AttrInput, Builder } from './builder.ts';
import { rowOf } from './index.ts';
import { attrsOf, bySlot } from './infer.ts';
import type { Named, StaticValue } from './op.ts';

/** The outputs of `graph` when its inputs are `given`. Used while learning, where composite ops are taken apart. */
export function inline(graph: Graph, given: readonly StaticValue[], g: Builder): StaticValue[] {
  const names = new Map<string, string>();
  const known = new Map<string, StaticValue>();
  const bind = (name: string, value: StaticValue): void => {
    known.set(value.name, value);
    if (name !== value.name) names.set(name, value.name);
  };
  const read = (name: string): StaticValue | undefined => (name === '' ? undefined : (known.get(name) ?? g.of(name)));
  graph.inputs.forEach((info, i) => {
    if (given[i]) bind(info.name, given[i]);
  });
  for (const [name, tensor] of graph.initializers) bind(name, g.constant(tensor, name));
  for (const node of graph.nodes) {
    // One step only: what is read inside may be called like something that was made outside.
    const renamed = readAs(node, (name) => names.get(name) ?? name);
    const outputs = emitted(renamed, renamed.inputs.map(read), g);
    node.outputs.forEach((name, i) => {
      if (name !== '' && outputs[i]) bind(name, outputs[i]);
    });
  }
  return graph.outputs.map(({ name }) => read(names.get(name) ?? name)!);
}

function emitted(node: Node, inputs: readonly (StaticValue | undefined)[], g: Builder): readonly StaticValue[] {
  const row = rowOf(node);
  const isOwn = row?.domain === 'pare';
  const parts = !isOwn && row?.decompose?.(bySlot(row.inputs, inputs) as Named<StaticValue>, attrsOf(row, node), g);
  if (parts) return parts;
  const attrs = Object.fromEntries(Object.entries(node.attrs).map(([key, { value }]) => [key, value as AttrInput]));
  return g.emit(node.op, inputs, attrs, { domain: node.domain, outputs: node.outputs.length });
}
