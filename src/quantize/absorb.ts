/**
 * High biases move on: where a channel is never near 0 before its ReLU, the ReLU does nothing to it, and what it is above 0
 * at the least can be the next layer's to add. The activation's range then starts nearer to 0.
 *
 *   c_i = max(0, mean_i − 3 · deviation_i)   of what the first layer gives, on samples
 *   b1 ← b1 − c        b2 ← b2 + Σ over taps of W2 · c
 *
 * Exact wherever the channel stays above c, which it does on 99.9 % of a normal distribution. Layers that pad are left as
 * they are: padding stands for 0, not for c.
 * Source   Nagel et al. 2019, arXiv:1906.04721, section 4.1.3 (there from batch norms; here as measured).
 */

import type { Dataset } from '../data/dataset.ts';
import { consumers, withInitializers } from '../graph/edit.ts';
import type { Model, Node } from '../graph/model.ts';
import { float32, floats } from '../graph/tensor.ts';
import { infer } from '../ops/infer.ts';
import type { Lab } from '../runtime/index.ts';
import { meanShift } from './correct/means.ts';
import { observe } from './observe.ts';
import { labelOf } from './plan.ts';
import { prepare } from './prepare.ts';
import { type Role, roleOf } from './role.ts';

type Weighted = Extract<Role, { kind: 'weighted' }>;

interface Pair {
  readonly first: Node;
  readonly firstRole: Weighted;
  readonly second: Node;
  readonly secondRole: Weighted;
}

export interface AbsorbReport {
  /** Layers whose biases moved, and the largest amount. */
  readonly moved: readonly { readonly from: string; readonly to: string; readonly most: number }[];
}

/** The same function, but for the samples on which a channel falls below what was moved. */
export async function absorbBiases(
  original: Model,
  data: Dataset,
  samples: ArrayLike<number>,
  lab: Lab,
): Promise<{ model: Model; report: AbsorbReport }> {
  const model = prepare(original);
  const pairs = pairsOf(model);
  const lows = await lowEnds(model, pairs, data, samples, lab);
  const changed = new Map<string, Float32Array>();
  const { initializers } = model.graph;
  const bias = (name: string): Float32Array => changed.get(name) ?? floats(initializers.get(name)!).slice();
  const moved = pairs.flatMap(({ first, firstRole, second, secondRole }) => {
    const low = lows.get(first.outputs[0]!)!;
    const most = low.reduce((a, b) => Math.max(a, b), 0);
    if (most === 0) return [];
    const [b1, b2] = [first.inputs[firstRole.bias]!, second.inputs[secondRole.bias]!];
    changed.set(
      b1,
      bias(b1).map((b, c) => b - low[c]!),
    );
    const weight = initializers.get(second.inputs[secondRole.weight]!)!;
    const shift = meanShift(floats(weight), weight.dims, secondRole.axis, low);
    changed.set(
      b2,
      bias(b2).map((b, c) => b + shift[c]!),
    );
    return [{ from: labelOf(first), to: labelOf(second), most }];
  });
  const tensors = new Map([...changed].map(([name, b]) => [name, float32(initializers.get(name)!.dims, b)]));
  return { model: { ...model, graph: withInitializers(model.graph, tensors) }, report: { moved } };
}

/** Layers that follow each other with a ReLU between, both with biases of their own. */
function pairsOf({ graph }: Model): Pair[] {
  const facts = infer(graph);
  const readers = consumers(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const users = new Map<string, number>();
  for (const { inputs } of graph.nodes) for (const name of inputs) users.set(name, (users.get(name) ?? 0) + 1);
  const only = (name: string): Node | undefined =>
    users.get(name) === 1 && !outputs.has(name) ? readers.get(name)![0] : undefined;
  const weighted = (node: Node | undefined): Weighted | undefined => {
    const role = node && roleOf(node, graph, facts);
    if (role?.kind !== 'weighted' || role.bias < 0) return undefined;
    const name = node!.inputs[role.bias]!;
    const own = graph.initializers.get(name);
    return own?.dtype === 'float32' && own.dims.length === 1 && users.get(name) === 1 ? role : undefined;
  };
  return graph.nodes.flatMap((first) => {
    const firstRole = weighted(first);
    const relu = firstRole && only(first.outputs[0]!);
    const clamp = relu && roleOf(relu, graph, facts);
    if (clamp?.kind !== 'clamps' || clamp.to.lo !== 0 || clamp.to.hi !== Number.POSITIVE_INFINITY) return [];
    const second = only(relu!.outputs[0]!);
    const secondRole = weighted(second);
    if (!secondRole || second!.inputs[secondRole.input] !== relu!.outputs[0] || pads(second!)) return [];
    const scaled = ['alpha', 'beta'].some((key) => {
      const attr = second!.attrs[key] ?? first.attrs[key];
      return attr?.kind === 'float' && attr.value !== 1;
    });
    return scaled ? [] : [{ first, firstRole: firstRole!, second: second!, secondRole }];
  });
}

const pads = ({ attrs }: Node): boolean =>
  (attrs['pads']?.kind === 'ints' && attrs['pads'].value.some((pad) => pad !== 0)) ||
  (attrs['auto_pad']?.kind === 'string' && attrs['auto_pad'].value.startsWith('SAME'));

/** max(0, mean − 3 deviations) of each channel of each first layer. */
async function lowEnds(
  model: Model,
  pairs: readonly Pair[],
  data: Dataset,
  samples: ArrayLike<number>,
  lab: Lab,
): Promise<Map<string, Float64Array>> {
  const isLast = new Map(pairs.map(({ first, firstRole }) => [first.outputs[0]!, firstRole.product]));
  const sums = new Map<string, { count: number; sum: Float64Array; square: Float64Array }>();
  if (pairs.length === 0) return new Map();
  await observe(
    model,
    [...isLast.keys()],
    data,
    (name, x, dims) => {
      const axis = isLast.get(name) ? dims.length - 1 : 1;
      const channels = dims[axis]!;
      const inner = dims.slice(axis + 1).reduce((n, dim) => n * dim, 1);
      const state = sums.get(name) ?? {
        count: 0,
        sum: new Float64Array(channels),
        square: new Float64Array(channels),
      };
      for (let i = 0; i < x.length; i++) {
        const c = Math.floor(i / inner) % channels;
        state.sum[c]! += x[i]!;
        state.square[c]! += x[i]! * x[i]!;
      }
      state.count += x.length / channels;
      sums.set(name, state);
    },
    { samples, task: 'absorb biases' },
    lab,
  );
  return new Map(
    [...sums].map(([name, { count, sum, square }]) => [
      name,
      sum.map((total, c) => {
        const mean = total / count;
        return Math.max(0, mean - 3 * Math.sqrt(Math.max(0, square[c]! / count - mean * mean)));
      }),
    ]),
  );
}
