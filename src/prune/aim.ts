/**
 * What a layer of a cut network shall answer, so that what follows it is right again.
 *
 *   layer → [normalisation] → [sum with a shortcut] → [clip]
 *
 *   a clip       t = v where v and the dense value lie beyond the same bound; else the dense value, within the bounds
 *   a shortcut   t − what comes along it now: the layer makes good what the shortcut lost
 *   γ (y − μ) / σ + β, undone: y = (t − β) σ / γ + μ
 *
 * With a clip it is a censored regression: each such fit errs less behind the clip than the one before, so that one without
 * a clip comes first.
 * Source   He et al. 2017, arXiv:1707.06168 (section 3.2, shortcuts); Zhang et al. 2015, arXiv:1505.06798 (rectifiers).
 */

import type { Graph, Node } from '../graph/model.ts';
import { float32, numbers } from '../graph/tensor.ts';
import type { Builder } from '../ops/builder.ts';
import type { Facts } from '../ops/infer.ts';
import type { StaticValue } from '../ops/op.ts';

interface Bounds {
  readonly low: number;
  readonly high: number;
}

export interface Aim {
  /** The BatchNormalization behind the layer. */
  readonly norm?: Node;
  /** The other summand. */
  readonly other?: string;
  /** What is compared with the dense network's: the layer's output, or what the normalisation or the sum makes of it. */
  readonly value: string;
  readonly clip?: Bounds | undefined;
}

/** A graph, and who reads what in it. */
export interface Surroundings {
  readonly graph: Graph;
  readonly facts: Facts;
  readonly readers: ReadonlyMap<string, readonly Node[]>;
  /** Values that are not what they are in the dense network. */
  readonly changed: ReadonlySet<string>;
}

/** How what follows `y` reads it, as far as it can be undone. */
export function aimOf(y: string, { graph, facts, readers, changed }: Surroundings): Aim {
  const returned = new Set(graph.outputs.map(({ name }) => name));
  const onlyReader = (value: string): Node | undefined => {
    const all = readers.get(value) ?? [];
    return all.length === 1 && !returned.has(value) ? all[0] : undefined;
  };
  let value = y;
  let next = onlyReader(value);
  const isNorm =
    next?.op === 'BatchNormalization' && next.inputs.slice(1).every((name) => graph.initializers.has(name));
  const norm = isNorm ? next : undefined;
  if (norm) {
    value = norm.outputs[0]!;
    next = onlyReader(value);
  }
  let other: string | undefined;
  if (next?.op === 'Add' || (next?.op === 'Sum' && next.inputs.length === 2)) {
    const beside = next.inputs.find((name) => name !== value);
    const isAlike = beside !== undefined && facts.get(beside)?.dims.join() === facts.get(value)?.dims.join();
    if (isAlike && changed.has(beside)) {
      other = beside;
      value = next.outputs[0]!;
      next = onlyReader(value);
    }
  }
  const clip = next && boundsOf(next, graph);
  return { value, ...(norm && { norm }), ...(other && { other }), ...(clip && { clip }) };
}

/** What the layer shall answer; `dense` is the dense network's `value`, without the channels that are gone. */
export function answerFor(
  { norm, other, value, clip }: Aim,
  dense: StaticValue,
  g: Builder,
  graph: Graph,
): StaticValue {
  const within = clip ? censored(dense, g.of(value), clip, g) : dense;
  const summand = other === undefined ? within : g.Sub(within, g.of(other));
  return norm ? undone(norm, summand, g, graph) : summand;
}

/** Beyond a bound all values are as good: what lies there already may stay, the rest shall come to the bound. */
function censored(dense: StaticValue, now: StaticValue, { low, high }: Bounds, g: Builder): StaticValue {
  const below = Number.isFinite(low) ? g.Where(g.LessOrEqual(dense, low), g.Min(now, low), dense) : dense;
  return Number.isFinite(high) ? g.Where(g.GreaterOrEqual(dense, high), g.Max(now, high), below) : below;
}

/** Scales below this share of the largest are not divided by: such a channel says nothing. */
const LEAST_SCALE = 1e-3;

function undone(norm: Node, t: StaticValue, g: Builder, graph: Graph): StaticValue {
  const constantOf = (slot: number): ArrayLike<number> => numbers(graph.initializers.get(norm.inputs[slot]!)!);
  const [scale, bias, mean, variance] = [constantOf(1), constantOf(2), constantOf(3), constantOf(4)];
  const epsilon = norm.attrs['epsilon']?.kind === 'float' ? norm.attrs['epsilon'].value : 1e-5;
  const slopes = Float32Array.from(scale, (gamma, i) => gamma / Math.sqrt(variance[i]! + epsilon));
  const least = LEAST_SCALE * slopes.reduce((most, slope) => Math.max(most, Math.abs(slope)), 0);
  const usable = slopes.map((slope) => (Math.abs(slope) > least ? slope : Number.POSITIVE_INFINITY));
  const wide = [1, slopes.length, ...t.dims.slice(2).map(() => 1)];
  const spread = (values: Float32Array): StaticValue => g.constant(float32(wide, values), 'undo');
  return g.Add(g.Div(g.Sub(t, spread(Float32Array.from(bias))), spread(usable)), spread(Float32Array.from(mean)));
}

function boundsOf({ op, inputs }: Node, { initializers }: Graph): Bounds | undefined {
  if (op === 'Relu') return { low: 0, high: Number.POSITIVE_INFINITY };
  if (op !== 'Clip') return undefined;
  const bound = (name: string | undefined, otherwise: number): number | undefined => {
    if (!name) return otherwise;
    const constant = initializers.get(name);
    return constant && numbers(constant)[0];
  };
  const [low, high] = [bound(inputs[1], Number.NEGATIVE_INFINITY), bound(inputs[2], Number.POSITIVE_INFINITY)];
  return low === undefined || high === undefined ? undefined : { low, high };
}
