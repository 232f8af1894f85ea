/** A model made ready to be quantised: its form, and the ranges it showed on samples; and what is written of it, again and again. */

import { random } from '../base/random.ts';
import { pick } from '../base/suggest.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { type Facts, infer } from '../ops/infer.ts';
import type { Lab } from '../runtime/index.ts';
import { absorbBiases } from './absorb.ts';
import { type Calibrator, type CalibratorName, calibrators, minmax } from './calibrate/index.ts';
import { addChannels, type ChannelSums, layerInputs, meansOf } from './correct/means.ts';
import { digest, eachPart, type Part, type PartMemory } from './digest.ts';
import { equalize } from './equalize.ts';
import { type Grid, gridForms, gridOf } from './grid.ts';
import { type Inserted, type InsertOptions, insertPairs } from './insert.ts';
import { batchFor, observe } from './observe.ts';
import { candidatesOf, type Plan, type PlanOptions, planOf } from './plan.ts';
import { prepare, restore } from './prepare.ts';
import { type Range, rangeOf } from './range.ts';
import { roleOf } from './role.ts';
import { sideBySide } from './side-by-side.ts';
import { type Strips, strippedLayers } from './strips.ts';
import { inStrips } from './write-strips.ts';

/** A model ready to be quantised, again and again: its form, its plan and the ranges it showed. */
export interface Calibrated {
  readonly model: Model;
  readonly facts: Facts;
  readonly ranges: ReadonlyMap<string, Range>;
  /** Means by input channel of what layers read; only where bias correction asked for them. */
  readonly inputMeans?: ReadonlyMap<string, ArrayLike<number>>;
}

/** The form that is quantised: layers merged, and with `equalize` the channels of neighbours evened out. */
export const readyFor = async (
  model: Model,
  equalized: boolean,
  data: Dataset,
  samples: Int32Array,
  lab: Lab,
): Promise<Model> =>
  equalized ? (await absorbBiases(equalize(model).model, data, samples, lab)).model : prepare(model);

export const calibratorOf = (named: CalibratorName | Calibrator = 'minmax'): Calibrator =>
  typeof named === 'string' ? pick(calibrators, named, 'calibrator')() : named;

/** Some of the samples, the same for the same seed; all when there are no more. */
export function chooseSamples(data: Dataset, count: number, seed = 0): Int32Array {
  const all = Int32Array.from({ length: data.size }, (_, i) => i);
  if (data.size <= count) return all;
  return random(seed, 'calibrate').shuffle(all).slice(0, count).sort();
}

/**
 * Runs the samples through the prepared model and notes the range of every value that the plan quantises, or with
 * `everywhere` of every value that any plan with more exclusions could quantise. Scores keep all of their range, whatever the calibrator.
 */
export async function calibrate(
  model: Model,
  asked: Calibrator,
  data: Dataset,
  samples: Int32Array,
  lab: Lab,
  {
    everywhere = false,
    biasCorrect = true,
    ...options
  }: PlanOptions & { everywhere?: boolean; biasCorrect?: boolean } = {},
): Promise<Calibrated> {
  const facts = infer(model.graph);
  const plan = planOf(model.graph, facts, options);
  const all = [...new Set([...plan.watch.values(), ...(everywhere ? candidatesOf(model.graph, facts, plan) : [])])];
  const above = nonNegative(model.graph, facts);
  const looked = new Set(all.filter((name) => !above.has(name)));
  const rising = asked.endsOnly ? risingFrom(model.graph, facts, looked) : new Map<string, Rising[]>();
  const follow = new Set([...rising.values()].flat().map(({ name }) => name));
  const names = all.filter((name) => !follow.has(name));
  const inputs = biasCorrect ? layerInputs(plan) : new Map<string, boolean>();
  const watched = [...new Set([...names, ...inputs.keys()])];
  const batch = batchFor(model.graph, watched, facts, asked.batch);
  const calibrator = asked.inParts?.(batch) ?? asked;
  const scores = scoresOf(model.graph, facts);
  const by = (name: string): Calibrator => (scores.has(name) ? WHOLE : calibrator);
  const states = new Map(all.map((name) => [name, by(name).start()]));
  const sums = new Map<string, ChannelSums>();
  const wanted = watched.map((name) => ({
    name,
    ends: states.has(name) && !follow.has(name),
    ...(inputs.has(name) && { means: inputs.get(name) ? ('last' as const) : ('second' as const) }),
    isNonNegative: above.has(name),
  }));
  const { model: shown, tells } = digest(model, facts, wanted, calibrator.endsOnly === true);
  const seePart = ({ of, ends, means }: Part, x: Float32Array, dims: readonly number[]): void => {
    if (ends) by(of).see(states.get(of), x);
    for (const { name, rises } of (ends && rising.get(of)) || []) by(name).see(states.get(name), endsOf(x).map(rises));
    if (means) sums.set(of, addChannels(sums.get(of), x, dims, inputs.get(of)!));
  };
  const memory: PartMemory = new Map();
  const see = (name: string, x: Float32Array, dims: readonly number[]): void =>
    eachPart(x, dims, tells.get(name)!, memory, seePart);
  const how = { samples, task: 'calibrate', batch };
  await observe(shown, [...tells.keys()], data, see, how, sideBySide(model.graph, facts, batch, lab));
  const ranges = new Map([...states].map(([name, seen]) => [name, by(name).range(seen)]));
  const inputMeans = new Map([...sums].map(([name, state]) => [name, meansOf(state)]));
  return { model, facts, ranges, ...(biasCorrect && { inputMeans }) };
}

const WHOLE = minmax() as Calibrator;

/** What reaches an output with no layer in between. The largest score is the answer: cut off, it is one of several that are equal. */
function scoresOf(graph: Graph, facts: Facts): Set<string> {
  const scores = new Set(graph.outputs.map(({ name }) => name));
  for (const node of graph.nodes.toReversed()) {
    const { kind } = roleOf(node, graph, facts);
    if (kind === 'weighted' || kind === 'product' || !node.outputs.some((name) => scores.has(name))) continue;
    for (const name of node.inputs) scores.add(name);
  }
  return scores;
}

/** A value, and what makes it of another. */
interface Rising {
  readonly name: string;
  readonly rises: (x: number) => number;
}

/** By the value that is looked at: those whose ends follow from its own, for what makes them never falls. */
function risingFrom(graph: Graph, facts: Facts, looked: ReadonlySet<string>): Map<string, Rising[]> {
  const found = new Map<string, Rising[]>();
  const follow = new Set<string>();
  for (const node of graph.nodes) {
    const role = roleOf(node, graph, facts);
    const [of, name] = [node.inputs[0] ?? '', node.outputs[0] ?? ''];
    if (role.kind !== 'own' || !role.rises || !looked.has(of) || !looked.has(name) || follow.has(of)) continue;
    follow.add(name);
    found.set(of, [...(found.get(of) ?? []), { name, rises: role.rises }]);
  }
  return found;
}

const endsOf = (x: Float32Array): number[] => {
  const { lo, hi } = rangeOf(x);
  return lo > hi ? [] : [lo, hi];
};

/** What a clamp keeps from falling below 0. */
const nonNegative = (graph: Graph, facts: Facts): Set<string> =>
  new Set(
    graph.nodes.flatMap((node) => {
      const role = roleOf(node, graph, facts);
      return role.kind === 'clamps' && role.to.lo >= 0 ? node.outputs : [];
    }),
  );

export interface WriteOptions extends PlanOptions, Omit<InsertOptions, 'stripped'> {
  /** Convolutions of few channels compute neighbouring columns together, where that is faster on x86 with VNNI. Default false. */
  strips?: boolean;
  /** Grids to use instead of what the ranges say, by the name of the group: learned ones. */
  grids?: ReadonlyMap<string, Grid>;
}

/** The quantised model of a calibrated one. Cheap: nothing is run. */
export function write(
  { model, facts, ranges, inputMeans }: Calibrated,
  options: WriteOptions,
): { plan: Plan; written: Model; raw: Inserted['raw'] } {
  const plan = planOf(model.graph, facts, options);
  const grids = new Map<string, Grid>();
  for (const [group, watched] of plan.watch) {
    grids.set(group, options.grids?.get(group) ?? gridOf(ranges.get(watched)!, watched, options.activations));
  }
  const stripped =
    options.strips && !options.ownShapes && gridForms[options.activations ?? 'u8'].dtype === 'uint8'
      ? strippedLayers(model.graph, facts, plan)
      : new Map<Node, Strips>();
  const { graph: pairs, raw } = insertPairs(model.graph, facts, plan, grids, {
    ...(inputMeans && { inputMeans }),
    ...options,
    stripped,
  });
  const graph = inStrips(pairs, new Map([...stripped].map(([{ outputs }, strips]) => [raw.get(outputs[0]!)!, strips])));
  return { plan, raw, written: restore({ ...model, producer: { name: 'pare', version: '' }, graph }) };
}
