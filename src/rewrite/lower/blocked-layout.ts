/**
 * A graph in the engine's blocked layout [N, C/b, H, W, b], from each convolution on as far as it carries.
 *
 * A value may have a blocked twin. A node whose op has a blocked form (`forms.ts`) reads twins and makes one; any other reads the plain
 * value, which is then brought back from its twin, once. The engine does the same to constant weights; weights that learn are inputs.
 */

import { readsOf } from '../../graph/edit.ts';
import type { Graph } from '../../graph/model.ts';
import { draft } from '../../ops/builder.ts';
import { infer } from '../../ops/infer.ts';
import type { StaticValue } from '../../ops/op.ts';
import { FORMS } from './forms.ts';
import { type Layout, NCHWC } from './layout.ts';

/** Every node that has a blocked form and something blocked to read, replaced. */
export function blockLayout(graph: Graph, block: number): Graph {
  const facts = infer(graph);
  const building = draft({ ...graph, nodes: [] }, facts);
  const { g } = building;
  const twins = new Map<string, StaticValue>();
  /** Values that exist as twins only, so far. */
  const away = new Set<string>();
  const fact = (name: string): StaticValue => facts.get(name) as StaticValue;
  const bringBack = (name: string): void => {
    if (!away.delete(name)) return;
    building.keep({
      op: 'ReorderOutput',
      domain: NCHWC,
      name: g.fresh('ReorderOutput'),
      inputs: [twins.get(name)!.name],
      outputs: [name],
      attrs: { channels: { kind: 'int', value: fact(name).dims[1]! } },
    });
  };
  const layout: Layout = {
    g,
    block,
    fact,
    twin: (name) => twins.get(name),
    blocked: (name) => {
      const twin = twins.get(name) ?? g.emit('ReorderInput', [g.of(name)], {}, { domain: NCHWC })[0]!;
      twins.set(name, twin);
      return twin;
    },
    plain: (name) => {
      bringBack(name);
      return g.of(name);
    },
    isConstant: (name) => graph.initializers.has(name),
  };
  for (const node of graph.nodes) {
    const output = node.outputs[0]!;
    const made = node.outputs.length === 1 ? FORMS.get(`${node.domain}/${node.op}`)?.(node, layout) : undefined;
    if (!made) {
      for (const name of readsOf(node)) bringBack(name);
      building.keep(node);
    } else if (made.layout === 'plain') {
      building.keep({
        op: 'Identity',
        domain: '',
        name: g.fresh('Identity'),
        inputs: [made.value.name],
        outputs: [output],
        attrs: {},
      });
    } else {
      twins.set(output, made.value);
      away.add(output);
    }
  }
  for (const { name } of graph.outputs) bringBack(name);
  return building.finish();
}
