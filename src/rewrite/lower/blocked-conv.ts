/**
 * Convolutions whose weights are not constant, in the engine's blocked layout.
 *
 *   Conv(X, W, B)  →  ReorderOutput( nchwc.Conv( ReorderInput(X), blocked(W), B ) )
 *   blocked(W)     =  W [O, C, ...] as [O/b, b, C/b, b, ...] with axes 0, 2, ..., 3, 1 (b = block)
 *
 * A value that several readers want blocked is reordered once; a value that comes out of a blocked convolution is not
 * reordered back for the next one. The engine does the same to constant weights; weights that learn are inputs.
 */

import { isStatic } from '../../graph/dim.ts';
import type { Graph, Node } from '../../graph/model.ts';
import { type Builder, draft } from '../../ops/builder.ts';
import { infer } from '../../ops/infer.ts';
import type { StaticValue } from '../../ops/op.ts';

const DOMAIN = 'com.microsoft.nchwc';

/** Every convolution that the blocked kernels take, replaced; the others stay. */
export function blockConvolutions(graph: Graph, block: number): Graph {
  const facts = infer(graph);
  const building = draft({ ...graph, nodes: [] }, facts);
  const { g } = building;
  /** Standard value → its blocked twin. */
  const twins = new Map<string, StaticValue>();
  const blockedOf = (name: string): StaticValue => {
    const twin = twins.get(name) ?? g.emit('ReorderInput', [g.of(name)], {}, { domain: DOMAIN })[0]!;
    twins.set(name, twin);
    return twin;
  };
  for (const node of graph.nodes) {
    const shape =
      node.op === 'Conv' && node.domain === ''
        ? blockable(node, (name) => facts.get(name) as StaticValue | undefined, graph, block)
        : undefined;
    if (!shape) {
      building.keep(node);
      continue;
    }
    const { W, readsBlocked } = shape;
    const X = readsBlocked ? blockedOf(node.inputs[0]!) : g.of(node.inputs[0]!);
    const bias = node.inputs[2] ? g.of(node.inputs[2]) : null;
    const attrs = Object.fromEntries(
      Object.entries(node.attrs).flatMap(([key, attr]) =>
        attr.kind === 'ints' && key !== 'kernel_shape' ? [[key, attr.value]] : [],
      ),
    );
    const made = g.emit(
      'Conv',
      [X, blockWeight(W, block, readsBlocked, g), bias],
      attrs as Record<string, readonly number[]>,
      { domain: DOMAIN },
    )[0]!;
    twins.set(node.outputs[0]!, made);
    building.keep({
      op: 'ReorderOutput',
      domain: DOMAIN,
      name: g.fresh('ReorderOutput'),
      inputs: [made.name],
      outputs: node.outputs,
      attrs: { channels: { kind: 'int', value: W.dims[0]! } },
    });
  }
  return building.finish();
}

/** What the blocked kernels need to know, or undefined for a convolution they do not take. */
function blockable(
  node: Node,
  fact: (name: string) => StaticValue | undefined,
  graph: Graph,
  block: number,
): { W: StaticValue; readsBlocked: boolean } | undefined {
  const [X, W] = [fact(node.inputs[0]!), fact(node.inputs[1]!)];
  const { group, auto_pad } = node.attrs;
  if (!X || !W || !isStatic(X.dims) || !isStatic(W.dims) || W.dims.length !== 4) return undefined;
  if (
    graph.initializers.has(W.name) ||
    (group?.kind === 'int' && group.value !== 1) ||
    (auto_pad?.kind === 'string' && auto_pad.value !== 'NOTSET')
  )
    return undefined;
  const [filters, channels] = W.dims as [number, number];
  const readsBlocked = channels % block === 0;
  if (filters % block !== 0 || (!readsBlocked && channels >= block)) return undefined;
  return { W, readsBlocked };
}

function blockWeight(W: StaticValue, b: number, readsBlocked: boolean, g: Builder): StaticValue {
  const [O, C, ...kernel] = W.dims as [number, number, ...number[]];
  const split = readsBlocked ? [O / b, b, C / b, b, ...kernel] : [O / b, b, C, ...kernel];
  const perm = readsBlocked ? [0, 2, 4, 5, 3, 1] : [0, 2, 3, 4, 1];
  return g.reshape(g.Transpose(g.reshape(W, split), { perm }), W.dims);
}
