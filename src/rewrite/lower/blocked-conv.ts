/**
 * Convolutions whose weights are not constant, in the engine's blocked layout.
 *
 *   Conv(X, W, B)  →  nchwc.Conv( blocked X, blocked(W), B )
 *   blocked(W)     =  W [O, C, ...] as [O/b, b, C/b, b, ...] with axes 0, 2, ..., 3, 1 (b = block)
 */

import { isStatic } from '../../graph/dim.ts';
import type { Node } from '../../graph/model.ts';
import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import { type Form, type Layout, NCHWC } from './layout.ts';

export const convForm: Form = (node, layout) => {
  const shape = blockable(node, layout);
  if (!shape) return undefined;
  const { g, block } = layout;
  const { W, readsBlocked } = shape;
  const X = readsBlocked ? layout.blocked(node.inputs[0]!) : layout.plain(node.inputs[0]!);
  const bias = node.inputs[2] ? layout.plain(node.inputs[2]) : null;
  const attrs = Object.fromEntries(
    Object.entries(node.attrs).flatMap(([key, attr]) =>
      attr.kind === 'ints' && key !== 'kernel_shape' ? [[key, attr.value]] : [],
    ),
  );
  const operands = [X, blockWeight(layout.plain(W.name), block, readsBlocked, g), bias];
  return { value: g.emit('Conv', operands, attrs, { domain: NCHWC })[0]! };
};

/** What the blocked kernels need to know, or undefined for a convolution they do not take. */
function blockable(
  node: Node,
  { fact, block, isConstant }: Layout,
): { W: StaticValue; readsBlocked: boolean } | undefined {
  const [X, W] = [fact(node.inputs[0]!), fact(node.inputs[1]!)];
  const { group, auto_pad } = node.attrs;
  if (!X || !W || !isStatic(X.dims) || !isStatic(W.dims) || W.dims.length !== 4) return undefined;
  if (
    isConstant(W.name) ||
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
