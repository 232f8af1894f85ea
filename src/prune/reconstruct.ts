/**
 * The weights behind a cut fitted anew, without labels: each layer shall answer what the dense layer answered.
 *
 *   minimise  Σ ‖y − W·x − b‖² + λ d ‖W − W₀‖²       x: what the cut network feeds the layer; y: the dense layer's answer
 *   W = W₀ + (G + λ d)⁻¹ (B − G W₀)                  G = Σ x xᵀ, B = Σ x yᵀ, d: the mean of G's diagonal
 *
 * λ is the one of a few that errs least on batches kept apart, and then all batches are fitted with it; where none errs less than W₀, the layer
 * stays as it is.
 * Layer by layer from the input on, so that each makes good what those before it still get wrong.
 * Source   He et al. 2017, "Channel Pruning for Accelerating Very Deep Neural Networks", arXiv:1707.06168 (section 3.1).
 */

import { random } from '../base/random.ts';
import type { Dataset } from '../data/index.ts';
import { beside } from '../graph/beside.ts';
import { isFloat } from '../graph/dtype.ts';
import type { Graph, Model } from '../graph/model.ts';
import { float32, numbers } from '../graph/tensor.ts';
import { ridge } from '../linear/cholesky.ts';
import { type Matrix, matrix, product } from '../linear/matrix.ts';
import type { Builder } from '../ops/builder.ts';
import { infer } from '../ops/infer.ts';
import type { StaticValue } from '../ops/op.ts';
import type { Lab } from '../runtime/index.ts';
import { type Left, leftAfter } from './cut.ts';
import type { Units } from './group.ts';
import { type LinearLayer, linearLayer, readersOf } from './layer.ts';
import { meansOf } from './means.ts';
import { tensorLike } from './tensor-like.ts';

export interface ReconstructOptions {
  /** Samples to look at. Default all, but no more than 256. */
  samples?: number | undefined;
  /** λ: the share of G's mean diagonal that holds weights where they are. Default: of 1e-4 to 1, what batches kept apart like best. */
  lambda?: number | undefined;
}

export interface Reconstructed {
  readonly model: Model;
  /** Layers that were fitted. */
  readonly layers: readonly string[];
  /** Layers that were left, and why. */
  readonly left: readonly { readonly layer: string; readonly why: string }[];
}

/** Where there is one batch only. */
const FALLBACK = 1e-3;
const LAMBDAS = [1e-4, 1e-3, 1e-2, 0.1, 1];
/** Samples in a batch: few, so that some batches can be kept apart. */
const BATCH = 16;
/** Every so many batches one is kept apart. */
const HELD = 4;
const KEPT_APART = 'held ';
/** Wider sums would take minutes to solve. */
const MOST_COLUMNS = 1280;
/** Places of a batch that are looked at, over all groups. */
const MOST_ROWS = 4096;
const DENSE = 'dense/';

/**
 * Fits all linear layers behind the first cut to the dense network's answers.
 *
 * `dense` and `small` are the network before and after `cut`; names are those of `dense`.
 * Throws   what reading the data and running the models throw.
 */
export async function reconstruct(
  dense: Model,
  small: Model,
  cuts: readonly Units[],
  data: Dataset,
  { samples = 256, lambda }: ReconstructOptions,
  lab: Lab,
): Promise<Reconstructed> {
  const left = leftAfter(cuts);
  const changed = changedValues(small.graph, left);
  const candidates = small.graph.nodes.filter(({ inputs }) => changed.has(inputs[0] ?? ''));
  const readers = readersOf(small.graph);
  let now = small;
  const layers: string[] = [];
  const skipped: { layer: string; why: string }[] = [];
  for (const [i, node] of candidates.entries()) {
    if (!Object.hasOwn(LINEAR, node.op)) continue;
    const layer = node.name || node.outputs[0]!;
    const fitted = await fitOne(dense, now, node.outputs[0]!, { left, readers, data, samples, lambda }, lab);
    if (typeof fitted === 'string') skipped.push({ layer, why: fitted });
    else {
      now = fitted;
      layers.push(layer);
    }
    lab.onProgress?.({ task: 'reconstruct', done: i + 1, total: candidates.length });
  }
  return { model: now, layers, left: skipped };
}

const LINEAR = { Conv: true, Gemm: true, MatMul: true };

/** Values that differ from the dense network's: what was cut, and all that follows from it. */
function changedValues(graph: Graph, left: Left): Set<string> {
  const changed = new Set([...left.keys()]);
  for (const { inputs, outputs } of graph.nodes)
    if (inputs.some((name) => changed.has(name))) for (const name of outputs) changed.add(name);
  return changed;
}

interface FitContext {
  readonly left: Left;
  readonly readers: ReadonlyMap<string, number>;
  readonly data: Dataset;
  readonly samples: number;
  readonly lambda: number | undefined;
}

async function fitOne(
  dense: Model,
  small: Model,
  output: string,
  { left, readers, data, samples, lambda }: FitContext,
  lab: Lab,
): Promise<Model | string> {
  let layer: LinearLayer | undefined;
  let why = 'its weights are not constants of its own';
  const build = (g: Builder, of: (name: string) => StaticValue, graph: Graph) => {
    const node = graph.nodes.find(({ outputs }) => outputs[0] === output)!;
    layer = linearLayer(node, graph, infer(graph));
    if (!layer || (readers.get(layer.weight) ?? 0) > 1 || !isFloat(graph.initializers.get(layer.weight)!.dtype)) {
      layer = undefined;
      return {};
    }
    const columns = layer.width + (layer.bias ? 1 : 0);
    if (columns > MOST_COLUMNS) {
      why = `an output is a sum of ${columns} numbers, more than ${MOST_COLUMNS}`;
      layer = undefined;
      return {};
    }
    const kept = left.get(output)?.get(layer.axis);
    const whole = of(`${DENSE}${output}`);
    const wanted = kept ? g.emit('Gather', [whole, [...kept]], { axis: layer.axis })[0]! : whole;
    const x = withOnes(g, chosen(g, layer.rows(g, of(layer.x)), lab.seed ?? 0), layer.bias !== undefined);
    const y = chosen(g, layer.answers(g, wanted), lab.seed ?? 0);
    const turned = g.Transpose(x, { perm: [0, 2, 1] });
    return { gram: g.MatMul(turned, x), cross: g.MatMul(turned, y) };
  };
  let joint: Graph | undefined;
  let batches = 0;
  const isApart = (batch: number): boolean => lambda === undefined && batch % HELD === 1;
  const means = await meansOf(
    small,
    data,
    (g, of) => build(g, of, joint!),
    {
      task: 'reconstruct',
      samples,
      batch: BATCH,
      partOf: (batch) => (isApart(batch) ? KEPT_APART : ''),
      prepare: (graph, { count }) => {
        batches = count;
        // Old files list weights among the inputs; here only what is fed is shared.
        const inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
        joint = beside({ ...graph, inputs }, { ...dense.graph, inputs, values: new Map(), outputs: [] }, DENSE);
        return joint;
      },
    },
    lab,
  );
  if (!layer) return why;
  const momentsOf = (part: string): Moments | undefined => {
    const [gram, cross] = [means.get(`${part}gram`), means.get(`${part}cross`)];
    return gram && cross && { gram, cross };
  };
  const apart = Array.from({ length: batches }, (_, batch) => batch).filter(isApart).length;
  const [seen, held] = [momentsOf('')!, momentsOf(KEPT_APART)];
  return withFit(small, layer, held ? { seen, held, all: blend(seen, held, apart / batches) } : { seen }, lambda);
}

/** Means of x xᵀ and x yᵀ, group after group. */
interface Moments {
  readonly gram: Float64Array;
  readonly cross: Float64Array;
}

const blend = (a: Moments, b: Moments, share: number): Moments => {
  const mixed = (x: Float64Array, y: Float64Array) => x.map((value, i) => value + share * (y[i]! - value));
  return { gram: mixed(a.gram, b.gram), cross: mixed(a.cross, b.cross) };
};

/** Something of the batches that are fitted to; where some were kept apart, of those, and of all. */
type Parts<T> =
  | { readonly seen: T; readonly held?: undefined }
  | { readonly seen: T; readonly held: T; readonly all: T };

/** The same few rows of every group, by chance. */
function chosen(g: Builder, rows: StaticValue, seed: number): StaticValue {
  const [groups, count] = rows.dims as [number, number, number];
  const most = Math.max(64, Math.floor(MOST_ROWS / Math.sqrt(groups)));
  if (count <= most) return rows;
  const source = random(seed, `prune/reconstruct/${count}`);
  const picked = Array.from({ length: most }, () => source.integer(count));
  return g.emit('Gather', [rows, picked], { axis: 1 })[0]!;
}

function withOnes(g: Builder, rows: StaticValue, isWanted: boolean): StaticValue {
  if (!isWanted) return rows;
  const [groups, count] = rows.dims as [number, number, number];
  const ones = g.constant(float32([groups, count, 1], new Float32Array(groups * count).fill(1)), 'ones');
  return g.Concat(rows, ones, { axis: 2 });
}

/** The model with this layer's weights and bias solved for, group by group. */
function withFit(
  model: Model,
  { groups, width, height, weight, bias, at }: LinearLayer,
  moments: Parts<Moments>,
  lambda: number | undefined,
): Model {
  const { initializers } = model.graph;
  const W = Float64Array.from(numbers(initializers.get(weight)!));
  const b = bias === undefined ? undefined : Float64Array.from(numbers(initializers.get(bias)!));
  const n = width + (b ? 1 : 0);
  for (let group = 0; group < groups; group++) {
    const before = matrix(n, height);
    for (let i = 0; i < n; i++)
      for (let o = 0; o < height; o++)
        before.data[i * height + o] = i < width ? W[at(group, o, i)]! : b![group * height + o]!;
    const missingIn = ({ gram, cross }: Moments): Missing => {
      const G = matrix(n, n, gram.subarray(group * n * n, (group + 1) * n * n));
      return { G, rest: minus(cross.subarray(group * n * height, (group + 1) * n * height), product(G, before)) };
    };
    const missing: Parts<Missing> = moments.held
      ? { seen: missingIn(moments.seen), held: missingIn(moments.held), all: missingIn(moments.all) }
      : { seen: missingIn(moments.seen) };
    const step = stepOf(missing, lambda, b ? 1 : 0);
    if (!step) continue;
    for (let o = 0; o < height; o++) {
      for (let i = 0; i < width; i++) W[at(group, o, i)]! += step.data[i * height + o]!;
      if (b) b[group * height + o]! += step.data[width * height + o]!;
    }
  }
  const next = new Map(initializers);
  next.set(weight, tensorLike(initializers.get(weight)!, W));
  if (bias !== undefined) next.set(bias, tensorLike(initializers.get(bias)!, b!));
  return { ...model, graph: { ...model.graph, initializers: next } };
}

/** G, and what is still missing of the answers: B − G W₀. */
interface Missing {
  readonly G: Matrix;
  readonly rest: Matrix;
}

const minus = (a: Float64Array, { rows, columns, data }: Matrix): Matrix =>
  matrix(
    rows,
    columns,
    data.map((value, i) => a[i]! - value),
  );

/** What is added to W₀: by this λ, or by the one that errs least on what was kept apart; undefined where W₀ is best. */
function stepOf(missing: Parts<Missing>, lambda: number | undefined, free: number): Matrix | undefined {
  const { seen } = missing;
  if (!seen.G.data.some((value) => value !== 0)) return undefined;
  if (!missing.held) return ridge(seen.G, seen.rest, lambda ?? FALLBACK, free);
  const errors = LAMBDAS.map((share) => growth(ridge(seen.G, seen.rest, share, free), missing.held));
  const least = Math.min(...errors);
  if (!(least < 0)) return undefined;
  const { G, rest } = missing.all;
  return ridge(G, rest, LAMBDAS[errors.indexOf(least)]!, free);
}

/** By how much the squared error grows with a step S: tr(Sᵀ G S) − 2 tr(Sᵀ R). */
function growth(step: Matrix, { G, rest }: Missing): number {
  const moved = product(G, step);
  let sum = 0;
  for (let i = 0; i < step.data.length; i++) sum += step.data[i]! * (moved.data[i]! - 2 * rest.data[i]!);
  return sum;
}
