/** Gathers what criteria need: weights as the network reads them, slopes, and activations over data. */

import { PareError } from '../base/error.ts';
import type { Dataset } from '../data/index.ts';
import { differentiate } from '../grad/differentiate.ts';
import { expand, OWN_DOMAIN } from '../grad/expand.ts';
import { isFloat } from '../graph/dtype.ts';
import { removeDead, valueInfo } from '../graph/edit.ts';
import type { Graph, Model } from '../graph/model.ts';
import { numbers, type Tensor } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { infer } from '../ops/infer.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Lab, stopIfAborted } from '../runtime/index.ts';
import type { Need } from './criterion/criterion.ts';
import { type Feeding, feeding } from './data-batches.ts';
import type { Place, Solved } from './group.ts';
import { hessians, type LayerHessian } from './hessian.ts';
import { withLoss } from './loss.ts';
import { loadGraph, meansOf } from './means.ts';
import { type Member, membersOf } from './member.ts';

/** What was gathered. Arrays lie as the weights do; activations by `value axis`, one figure per position. */
export interface Evidence {
  readonly weights: ReadonlyMap<string, ArrayLike<number>>;
  readonly gradients: ReadonlyMap<string, Float64Array>;
  readonly squares: ReadonlyMap<string, Float64Array>;
  /** By place: for each unit the mean over batches of (Σ w·g)². */
  readonly changes: ReadonlyMap<Place, Float64Array>;
  readonly activations: ReadonlyMap<string, Activation>;
  /** By the weight of a linear layer. */
  readonly hessians: ReadonlyMap<string, LayerHessian>;
}

export interface Activation {
  readonly mean: Float64Array;
  readonly rms: Float64Array;
}

export interface CollectOptions {
  needs: readonly Need[];
  data?: Dataset | undefined;
  /** Samples for slopes and activations. Default all, but no more than 256. */
  samples?: number | undefined;
}

export const activationKey = ({ value, axis }: Pick<Place, 'value' | 'axis'>): string => `${value} ${axis}`;

/**
 * Gathers what is needed for the members of all groups.
 *
 * Throws   prune/data when slopes or activations are needed and there is no data; grad/missing for an op without a gradient.
 */
export async function collect(
  model: Model,
  solved: Solved,
  lab: Lab,
  { needs, data, samples }: CollectOptions,
): Promise<Evidence> {
  const members = membersOf(solved).flat();
  const names = [...new Set(members.map(({ place }) => place.value))];
  const weights = await weightsOf(model, names, lab);
  const needed = needs.filter((need) => need !== 'weight');
  if (needed.length > 0 && !data) {
    throw new PareError('prune/data', 'This criterion looks at the network at work and needs data.', {
      expected: `data for ${needed.join(' and ')}`,
      hint: 'give data, or take a criterion that looks at weights alone, such as l2',
    });
  }
  const has = (need: Need): boolean => needs.includes(need);
  return {
    weights,
    gradients: has('gradient') ? await slopes(model, names, lab, data!, samples, 'sum') : new Map(),
    squares: has('square') ? await slopes(model, names, lab, data!, samples, 'squares') : new Map(),
    changes: has('change') ? await changes(model, members, lab, data!, samples) : new Map(),
    activations: has('activation') ? await activations(model, members, lab, data!, samples) : new Map(),
    hessians: has('hessian') ? await hessians(model, new Set(names), data!, samples, lab) : new Map(),
  };
}

/** The elements of float constants: initialisers as they are, what is computed from constants by the engine. */
async function weightsOf(model: Model, names: readonly string[], lab: Lab): Promise<Map<string, ArrayLike<number>>> {
  const { graph } = model;
  const computed = names.filter((name) => !graph.initializers.has(name));
  const weights = new Map<string, ArrayLike<number>>();
  for (const name of names) {
    const own = graph.initializers.get(name);
    if (own) weights.set(name, numbers(own));
  }
  if (computed.length === 0) return weights;
  const wanted = removeDead({ ...graph, inputs: [], values: new Map(), outputs: computed.map((name) => ({ name })) });
  using session = await loadGraph(model, withTypes(wanted), lab);
  for (const [name, value] of Object.entries(await session.run({}, undefined, lab.signal)))
    weights.set(name, numbers(value));
  return weights;
}

const withTypes = (graph: Graph): Graph => {
  const facts = infer(graph);
  const outputs = graph.outputs.map(({ name }) => {
    const fact = facts.get(name);
    return fact ? valueInfo(name, fact.dtype, fact.dims) : { name };
  });
  return { ...graph, outputs };
};

/** Mean slopes of the loss, or means of the squared slopes of single samples (of batches, where the model's batch is fixed above 1). */
async function slopes(
  model: Model,
  names: readonly string[],
  lab: Lab,
  data: Dataset,
  samples: number | undefined,
  how: 'sum' | 'squares',
): Promise<Map<string, Float64Array>> {
  const feed = feeding(model.graph, data, { samples, seed: lab.seed, ...(how === 'squares' && { batch: 1 }) });
  const slope = slopeGraph(feed, data, names);
  const totals = new Map<string, Float64Array>();
  await eachBatch(model, slope, [...new Set(slope.found.values())], feed, lab, (values) => {
    for (const [name, value] of slope.found) {
      const now = numbers(values[value]!);
      const total = totals.get(name) ?? new Float64Array(now.length);
      totals.set(name, total);
      for (let i = 0; i < now.length; i++) total[i]! += (how === 'sum' ? now[i]! : now[i]! ** 2) / feed.count;
    }
  });
  return totals;
}

/** Per place and unit, the mean over batches of (Σ w·g)²: squared before it is averaged, or slopes of both signs cancel. */
async function changes(
  model: Model,
  members: readonly Member[],
  lab: Lab,
  data: Dataset,
  samples: number | undefined,
): Promise<Map<Place, Float64Array>> {
  const feed = feeding(model.graph, data, { samples, seed: lab.seed });
  const slope = slopeGraph(feed, data, [...new Set(members.map(({ place }) => place.value))]);
  const building = draft(slope.graph, infer(slope.graph));
  const { g } = building;
  const along = new Map<string, string>();
  for (const { place } of members) {
    const found = slope.found.get(place.value);
    const key = activationKey(place);
    if (found === undefined || along.has(key)) continue;
    const product = g.Mul(g.of(place.value), g.of(found));
    const others = product.dims.flatMap((_, axis) => (axis === place.axis ? [] : [axis]));
    along.set(key, (others.length === 0 ? product : g.ReduceSum(product, others, { keepdims: 0 })).name);
  }
  const totals = new Map<Place, Float64Array>();
  const places = new Set(members.map(({ place }) => place).filter((place) => along.has(activationKey(place))));
  await eachBatch(model, { ...slope, graph: building.finish() }, [...along.values()], feed, lab, (values) => {
    for (const place of places) {
      const moved = numbers(values[along.get(activationKey(place))!]!);
      const total = totals.get(place) ?? new Float64Array(place.positions.length / place.each);
      totals.set(place, total);
      for (let unit = 0; unit < total.length; unit++) {
        let sum = 0;
        for (let k = 0; k < place.each; k++) sum += moved[place.positions[unit * place.each + k]!]!;
        total[unit]! += sum ** 2 / feed.count;
      }
    }
  });
  return totals;
}

interface SlopeGraph {
  readonly graph: Graph;
  /** The slope of each weight that has one. */
  readonly found: ReadonlyMap<string, string>;
  readonly labels?: string | undefined;
}

function slopeGraph(feed: Feeding, data: Dataset, names: readonly string[]): SlopeGraph {
  const { graph, loss, labels } = withLoss(feed.graph, data.task === 'classification');
  const { graph: joint, slopes: found } = differentiate(graph, loss, names, infer(graph));
  return { graph: expand(joint, infer(joint), ({ domain }) => domain === OWN_DOMAIN), found, labels };
}

/** Runs a slope graph over all batches. */
async function eachBatch(
  model: Model,
  { graph, labels }: SlopeGraph,
  wanted: readonly string[],
  feed: Feeding,
  lab: Lab,
  see: (values: Readonly<Record<string, Tensor>>) => void,
): Promise<void> {
  if (wanted.length === 0) return;
  const outputs = wanted.map((name) => ({ name }));
  using session = await loadGraph(model, withTypes(removeDead({ ...graph, outputs })), lab);
  let done = 0;
  for (const batch of feed.each()) {
    stopIfAborted(lab.signal);
    const feeds: Record<string, Tensor> = { ...batch.feeds };
    if (labels && batch.labels) feeds[labels] = asInt64(batch.labels);
    see(await session.run(feeds, undefined, lab.signal));
    lab.onProgress?.({ task: 'slopes', done: ++done, total: feed.count });
  }
}

const asInt64 = (labels: Tensor): Tensor =>
  labels.dtype === 'int64'
    ? labels
    : { dtype: 'int64', dims: labels.dims, bytes: new Uint8Array(BigInt64Array.from(numbers(labels), BigInt).buffer) };

/** Mean |x| and √(mean x²) per position of every axis that a weight reads. */
async function activations(
  model: Model,
  members: readonly Member[],
  lab: Lab,
  data: Dataset,
  samples: number | undefined,
): Promise<Map<string, Activation>> {
  const wanted = new Map(
    members.filter(({ role }) => role === 'in').map(({ partner }) => [activationKey(partner), partner]),
  );
  const means = await meansOf(
    model,
    data,
    (g, of) =>
      Object.fromEntries(
        [...wanted].flatMap(([key, { value, axis }]): [string, StaticValue][] => {
          if (!g.has(value)) return [];
          const x = of(value);
          if (!isFloat(x.dtype)) return [];
          const others = x.dims.flatMap((_, i) => (i === axis ? [] : [i]));
          const reduce = (v: StaticValue): StaticValue =>
            others.length === 0 ? v : g.ReduceMean(v, others, { keepdims: 0 });
          return [
            [`mean ${key}`, reduce(g.Abs(x))],
            [`square ${key}`, reduce(g.Mul(x, x))],
          ];
        }),
      ),
    { task: 'activations', samples },
    lab,
  );
  return new Map(
    [...wanted.keys()].flatMap((key): [string, Activation][] => {
      const [mean, square] = [means.get(`mean ${key}`), means.get(`square ${key}`)];
      return mean && square ? [[key, { mean, rms: square.map(Math.sqrt) }]] : [];
    }),
  );
}
