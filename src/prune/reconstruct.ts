/**
 * The weights behind a cut fitted anew, without labels: each layer shall answer what makes the network go on as the dense
 * one did.
 *
 * Layer by layer from the input on, so that each makes good what those before it still get wrong; along shortcuts, too.
 * Source   He et al. 2017, "Channel Pruning for Accelerating Very Deep Neural Networks", arXiv:1707.06168 (section 3).
 */

import type { Dataset } from '../data/index.ts';
import { beside } from '../graph/beside.ts';
import { isFloat } from '../graph/dtype.ts';
import { consumers } from '../graph/edit.ts';
import type { Graph, Model } from '../graph/model.ts';
import { draft } from '../ops/builder.ts';
import { infer } from '../ops/infer.ts';
import { widenGraph } from '../rewrite/widen.ts';
import type { Lab } from '../runtime/index.ts';
import { aimOf, answerFor } from './aim.ts';
import { type Carrier, carrier } from './carry.ts';
import { type Left, leftAfter } from './cut.ts';
import { type FeedingOptions, feeding } from './data-batches.ts';
import { blend, type Moments, withFit, withOnes } from './fit-layer.ts';
import type { Units } from './group.ts';
import { constantOf, linearLayer, MOST_COLUMNS, readersOf, someRows } from './layer.ts';

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

/** Samples in a batch: few, so that some batches can be kept apart. */
const BATCH = 16;
/** Every so many batches one is kept apart. */
const HELD = 4;
const KEPT_APART = 'held ';
/** Fits of a layer that minds the clip behind it, after one that does not. */
const CENSORED = 1;
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
  const candidates = small.graph.nodes.filter(
    ({ op, inputs }) => Object.hasOwn(LINEAR, op) && changed.has(inputs[0] ?? ''),
  );
  const feed = { samples, batch: BATCH };
  const context = { left, changed, data, feed, samples: carrier(small.graph, data, feed, lab), lambda };
  let now = small;
  const layers: string[] = [];
  const skipped: { layer: string; why: string }[] = [];
  for (const [i, node] of candidates.entries()) {
    const layer = node.name || node.outputs[0]!;
    let fitted = await fitOne(dense, now, node.outputs[0]!, context, false, lab);
    for (let round = 0; round < CENSORED && typeof fitted !== 'string' && fitted.isClipped; round++)
      fitted = await fitOne(dense, fitted.model, node.outputs[0]!, context, true, lab);
    if (typeof fitted === 'string') skipped.push({ layer, why: fitted });
    else {
      now = fitted.model;
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
  readonly changed: ReadonlySet<string>;
  readonly data: Dataset;
  readonly feed: FeedingOptions;
  readonly samples: Carrier;
  readonly lambda: number | undefined;
}

async function fitOne(
  dense: Model,
  small: Model,
  output: string,
  { left, changed, data, feed, samples, lambda }: FitContext,
  isCensored: boolean,
  lab: Lab,
): Promise<{ model: Model; isClipped: boolean } | string> {
  const graph = joined(feeding(small.graph, data, feed).graph, widenGraph(dense.graph));
  const facts = infer(graph);
  const node = graph.nodes.find(({ outputs }) => outputs[0] === output)!;
  const layer = linearLayer(node, graph, facts);
  if (!layer || readersOf(graph).get(layer.weight) !== 1 || !isFloat(graph.initializers.get(layer.weight)!.dtype))
    return 'its weights are not constants of its own';
  const constant = constantOf(graph, output, layer.bias);
  const columns = layer.width + (constant ? 1 : 0);
  if (columns > MOST_COLUMNS) return `an output is a sum of ${columns} numbers, more than ${MOST_COLUMNS}`;

  const { clip, ...aim } = aimOf(output, { graph, facts, readers: consumers(graph), changed });
  const building = draft(graph, facts);
  const { g } = building;
  const whole = g.of(`${DENSE}${aim.value}`);
  const kept = left.get(aim.value)?.get(layer.axis);
  const wanted = kept ? g.emit('Gather', [whole, [...kept]], { axis: layer.axis })[0]! : whole;
  const rows = someRows(g, layer.rows(g, g.of(layer.x)), lab.seed ?? 0);
  const x = constant ? withOnes(g, rows) : rows;
  const y = someRows(
    g,
    layer.answers(g, answerFor(isCensored ? { ...aim, clip } : aim, wanted, g, graph)),
    lab.seed ?? 0,
  );
  const turned = g.Transpose(x, { perm: [0, 2, 1] });
  const products = { gram: g.MatMul(turned, x), cross: g.MatMul(turned, y) };

  const isApart = (batch: number): boolean => lambda === undefined && batch % HELD === 1;
  const means = await samples.means({
    model: small,
    graph: building.finish(),
    wanted: products,
    final: [layer.x, whole.name],
    partOf: (batch) => (isApart(batch) ? KEPT_APART : ''),
  });
  const momentsOf = (part: string): Moments | undefined => {
    const [gram, cross] = [means.get(`${part}gram`), means.get(`${part}cross`)];
    return gram && cross && { gram, cross };
  };
  const apart = Array.from({ length: samples.batches }, (_, batch) => batch).filter(isApart).length;
  const [seen, held] = [momentsOf('')!, momentsOf(KEPT_APART)];
  const moments = held ? { seen, held, all: blend(seen, held, apart / samples.batches) } : { seen };
  return { model: withFit(small, { ...layer, constant }, moments, lambda), isClipped: clip !== undefined };
}

/** Both networks over the same inputs. Old files list weights among the inputs; here only what is fed is shared. */
function joined(small: Graph, dense: Graph): Graph {
  const inputs = small.inputs.filter(({ name }) => !small.initializers.has(name));
  return beside({ ...small, inputs }, { ...dense, inputs, values: new Map(), outputs: [] }, DENSE);
}
