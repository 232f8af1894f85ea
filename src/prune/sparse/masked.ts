/** Zeros that survive learning: a weight is read through its mask, so what is masked neither counts nor learns. */

import { freshNames, namesOf, renameReads } from '../../graph/edit.ts';
import type { Model } from '../../graph/model.ts';
import { numbers, type Tensor, tensor } from '../../graph/tensor.ts';
import { tensorLike } from '../tensor-like.ts';

/** 1 where a connection stays, by the name of the weight, in its memory's order. */
export type Masks = ReadonlyMap<string, Uint8Array>;

/** The model with every masked weight read as weight · mask; `isMask` tells the constants that must not learn. */
export function withMasks(model: Model, masks: Masks): { model: Model; isMask: (name: string) => boolean } {
  const { graph } = model;
  const fresh = freshNames(namesOf(graph));
  const initializers = new Map<string, Tensor>(graph.initializers);
  const names = new Set<string>();
  const read = new Map<string, string>();
  const nodes = [...masks].map(([weight, mask]) => {
    const { dtype, dims } = graph.initializers.get(weight)!;
    const [name, masked] = [fresh(`${weight}_mask`), fresh(`${weight}_masked`)];
    initializers.set(name, tensorLike({ dtype, dims, bytes: new Uint8Array() }, mask));
    names.add(name);
    read.set(weight, masked);
    return { op: 'Mul', domain: '', name: masked, inputs: [weight, name], outputs: [masked], attrs: {} };
  });
  return {
    model: { ...model, graph: { ...graph, initializers, nodes: [...nodes, ...renameReads(graph.nodes, read)] } },
    isMask: (name) => names.has(name),
  };
}

/** The plain model with the weights that `learnt` has under the same names, zero where the masks say. */
export function withoutMasks(plain: Model, learnt: Model, masks: Masks): Model {
  const initializers = new Map(
    [...plain.graph.initializers].map(([name, before]): [string, Tensor] => {
      const value = learnt.graph.initializers.get(name) ?? before;
      const mask = masks.get(name);
      if (!mask) return [name, value];
      const masked = Float64Array.from(numbers(value), (w, i) => (mask[i] ? w : 0));
      return [name, tensorLike(tensor(before.dtype, [0], []), masked, before.dims)];
    }),
  );
  return { ...plain, graph: { ...plain.graph, initializers } };
}
