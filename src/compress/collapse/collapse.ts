/** Runs of layers become single layers, fitted to what the runs did on samples. */

import { PareError } from '../../base/error.ts';
import { showShare } from '../../base/unit.ts';
import { bind, type Dataset, portsOf } from '../../data/index.ts';
import { beside } from '../../graph/beside.ts';
import type { Model } from '../../graph/model.ts';
import { infer } from '../../ops/infer.ts';
import { MODERN_OPSET, modernize } from '../../ops/modern.ts';
import { openNet } from '../../rewrite/open-net.ts';
import { type Lab, stopIfAborted } from '../../runtime/index.ts';
import { boundGraph } from '../observe.ts';
import { type CompressReport, type Rewrite, sizeOfModel } from '../report.ts';
import { type BlockTraining, trainBlock } from './block-training.ts';
import { type Candidate, candidatesOf, mixed } from './candidates.ts';
import { type Fitted, leastSquares } from './least-squares.ts';
import { type Piece, piecesOf, place } from './place.ts';
import { groundOf, runBetween } from './run.ts';
import { isLayer, type Kind, macsOfNodes, singleOf } from './shape.ts';

/** A run to collapse: the value that goes in, the value that comes out, and what takes its place. */
export interface Block {
  readonly from: string;
  readonly to: string;
  /** Default: the kind that the shapes allow. */
  readonly by?: Kind;
  /** Of a convolution. Default: the first of `kernels` that fits. */
  readonly kernel?: number;
}

export interface CollapseOptions {
  /** Runs by name, or 'auto': all legal runs are tried. Default 'auto'. */
  blocks?: 'auto' | readonly Block[] | undefined;
  /** Share of the MACs to keep, for 'auto': blocks are taken until it is met. Default: no budget, all within `maxError`. */
  keep?: { readonly macs: number } | undefined;
  /** Largest relative error of a block after the closed form, for 'auto'. Default 0.5, or none with a budget. */
  maxError?: number | undefined;
  /** Kinds of single layers to try. Default all: conv, dense, depthwise-separable, mixer. */
  by?: Kind | readonly Kind[] | undefined;
  /** Kernels to try. Default 3, 1, 5, 2, 4. */
  kernels?: readonly number[] | undefined;
  /** Layers with weights that a run may hold, for 'auto'. Default 6. */
  depth?: number | undefined;
  /** Single layers whose closed form is computed: some of each length of run, all over the network. Default 64, or 4 for each layer with weights. */
  candidates?: number | undefined;
  /** Samples to fit to. Default 512. */
  samples?: number | undefined;
  /** Gradient descent on each block's error after the closed form; false for none. Default false. */
  train?: BlockTraining | false | undefined;
}

const KINDS: readonly Kind[] = ['conv', 'dense', 'depthwise-separable', 'mixer'];
const KERNELS = [3, 1, 5, 2, 4];
/** The closed form factorises a matrix this wide; time grows with the cube. */
const WIDTH = 2400;
/** For 'auto', which solves many. */
const AUTO_WIDTH = 1200;
const ORIGINAL = 'original/';

/**
 * Replaces runs of layers between two values by single layers.
 *
 * Each layer is fitted by ridge least squares to the original's values, reading what the collapsed network gives in
 * front of it, so that later blocks make up for earlier ones. Activations that a run ends in stay. Labels are not
 * used. What is left of the loss is for `distill`. The model comes back in today's opset.
 *
 * Throws   compress/run when a named run has more than one way in or out; compress/shape when no such layer fits it;
 *          compress/data when the data fills no batch; what `fit` throws.
 *
 * @example
 * const { model, report } = await collapse(resnet, { blocks: 'auto', keep: { macs: 0.5 } }, data, lab);
 */
export async function collapse(
  model: Model,
  options: CollapseOptions,
  data: Dataset,
  lab: Lab,
): Promise<{ model: Model; report: CompressReport }> {
  const { blocks = 'auto', samples, train = false } = options;
  const original = modernize(model);
  const before = sizeOfModel(original);
  const own = bind(data, portsOf(original.graph));
  const kept: { place: string; why: string }[] = [];
  const chosen =
    blocks === 'auto'
      ? await choose(original, options, before.macs, own, kept, lab)
      : named(original, blocks, options, own, kept);

  let current = original;
  const rewrites: Rewrite[] = [];
  for (const [i, { single, macsBefore }] of inOrder(chosen, original).entries()) {
    stopIfAborted(lab.signal);
    const joint =
      current === original ? original : { ...current, graph: beside(current.graph, original.graph, ORIGINAL) };
    const teacher = current === original ? '' : ORIGINAL;
    const [fitted] = await leastSquares(joint, [single], own, { samples, teacher }, lab);
    let pieces: readonly Piece[] = piecesOf(fitted!, `${single.run.to}.collapsed`);
    let trained = '';
    if (train !== false) {
      const learnt = await trainBlock(single, pieces, current, original, own, { samples, ...train }, lab);
      pieces = learnt.pieces;
      trained = `, R² ${learnt.before.toFixed(3)} → ${learnt.after.toFixed(3)} by training`;
    }
    const edit = openNet(current.graph, MODERN_OPSET);
    const fault = place(edit, fitted!, pieces);
    const where = `${single.run.from} → ${single.run.to}`;
    if (fault) kept.push({ place: where, why: fault });
    else {
      edit.dropWeights();
      current = { ...current, graph: edit.finish() };
      rewrites.push({
        place: where,
        what: `${describe(fitted!)}${trained}`,
        macsBefore,
        macsAfter: single.macs,
        error: fitted!.error,
      });
    }
    lab.onProgress?.({ task: 'collapse', done: i + 1, total: chosen.length });
  }
  return { model: current, report: { before, after: sizeOfModel(current), rewrites, kept } };
}

const describe = ({ single: { kind, windows, run, tail } }: Fitted): string => {
  const side = windows[0] ? ` ${windows.map(({ kernel }) => kernel).join('×')}` : '';
  const stride = windows[0] && windows[0].stride > 1 ? `, stride ${windows[0].stride}` : '';
  const end = tail.activation ? `, then ${tail.activation.op}` : '';
  return `${run.nodes.size} nodes as one ${kind}${side}${stride}${end}`;
};

const listOf = <T extends string | number>(one: T | readonly T[] | undefined, all: readonly T[]): readonly T[] =>
  one === undefined ? all : typeof one === 'object' ? one : [one];

/** The graph's values as one sample has them. */
const factsOfOne = (model: Model, data: Dataset) => infer(boundGraph(model.graph, data, 1));

/** The runs that the caller named. */
function named(
  model: Model,
  blocks: readonly Block[],
  { by, kernels = KERNELS }: CollapseOptions,
  data: Dataset,
  kept: { place: string; why: string }[],
): Candidate[] {
  const ground = groundOf(model.graph);
  const facts = factsOfOne(model, data);
  return blocks.flatMap((block) => {
    const run = runBetween(ground, block.from, block.to);
    const why: string[] = [];
    for (const kind of listOf(block.by ?? by, KINDS)) {
      for (const kernel of kind === 'dense' ? [1] : listOf(block.kernel, kernels)) {
        const single = singleOf(run, kind, kernel, ground, facts);
        if (typeof single !== 'string' && single.width <= WIDTH)
          return [
            {
              single,
              macsBefore: macsOfNodes(run.nodes, facts),
              layers: [...run.nodes].filter((node) => isLayer(node, model.graph)).length,
            },
          ];
        why.push(typeof single === 'string' ? single : `${single.width} inputs are too many for the closed form`);
      }
    }
    const reasons = [...new Set(why)].join('; ');
    if (blocks.length > 1) {
      kept.push({ place: `${block.from} → ${block.to}`, why: reasons });
      return [];
    }
    throw new PareError('compress/shape', `No single layer fits from "${block.from}" to "${block.to}".`, {
      where: `${block.from} → ${block.to}`,
      got: reasons,
    });
  });
}

/** The best runs under the budget: most MACs saved for the noise they bring first, none twice. */
async function choose(
  model: Model,
  options: CollapseOptions,
  total: number,
  data: Dataset,
  kept: { place: string; why: string }[],
  lab: Lab,
): Promise<Candidate[]> {
  const { keep, by, kernels = KERNELS, depth = 6, samples } = options;
  const layers = model.graph.nodes.filter((node) => isLayer(node, model.graph)).length;
  const candidates = options.candidates ?? Math.max(LEAST_TRIED, TRIED_PER_LAYER * layers);
  const maxError = options.maxError ?? (keep ? Number.POSITIVE_INFINITY : 0.5);
  const ground = groundOf(model.graph);
  const all = candidatesOf(ground, factsOfOne(model, data), {
    kinds: listOf(by, KINDS),
    kernels,
    depth,
    width: AUTO_WIDTH,
  });
  const tried = mixed(all, candidates);
  if (tried.length < all.length)
    lab.onNote?.(`${all.length - tried.length} of ${all.length} single layers for runs were not tried.`);
  const scored: { candidate: Candidate; fitted: Fitted }[] = [];
  for (let at = 0; at < tried.length; at += TOGETHER) {
    const part = tried.slice(at, at + TOGETHER);
    const fits = await leastSquares(
      model,
      part.map(({ single }) => single),
      data,
      { samples: Math.min(samples ?? 512, ROUGH_SAMPLES), rough: true },
      lab,
    );
    for (const [i, fitted] of fits.entries()) scored.push({ candidate: part[i]!, fitted });
    lab.onProgress?.({ task: 'try runs', done: at + part.length, total: tried.length });
  }
  type Tried = (typeof scored)[number];
  const savedBy = ({ candidate }: Tried): number => candidate.macsBefore - candidate.single.macs;
  const taken: Tried[] = [];
  let macs = total;
  const needed = (): number => (keep ? macs - keep.macs * total : Number.POSITIVE_INFINITY);
  let open = scored;
  for (const { candidate, fitted } of scored) {
    if (fitted.error <= maxError) continue;
    const { run } = candidate.single;
    kept.push({ place: `${run.from} → ${run.to}`, why: `its error would be ${fitted.error.toFixed(2)}` });
  }
  while (needed() > 0) {
    open = open.filter(
      ({ candidate: { single }, fitted }) =>
        fitted.error <= maxError &&
        !taken.some((other) => [...single.run.nodes].some((node) => other.candidate.single.run.nodes.has(node))),
    );
    if (open.length === 0) break;
    // What a block saves beyond the budget is no gain.
    const gain = (one: Tried): number => Math.min(savedBy(one), needed()) / noiseOf(one.fitted.error);
    const best = open.reduce((a, b) => (gain(b) > gain(a) ? b : a));
    taken.push(best);
    macs -= savedBy(best);
  }
  // Those that later ones made needless go back, the noisiest first.
  const noisiest = keep ? [...taken].sort((a, b) => b.fitted.error - a.fitted.error) : [];
  for (const one of noisiest) {
    if (savedBy(one) > -needed()) continue;
    taken.splice(taken.indexOf(one), 1);
    macs += savedBy(one);
  }
  if (keep && macs > keep.macs * total)
    lab.onNote?.(`The budget cannot be met by collapsing: at least ${showShare(macs / total, 1)} stays.`);
  return taken.map(({ candidate }) => candidate);
}

/** Error as noise over signal: what is half wrong is far worse than half as good as what is a quarter wrong. */
const noiseOf = (error: number): number => Math.max(error ** 2, 1e-12) / Math.max(1 - error ** 2, 1e-3);

const LEAST_TRIED = 64;
const TRIED_PER_LAYER = 4;

/** Samples that runs are compared on. */
const ROUGH_SAMPLES = 256;

/** Runs whose sums are computed in one pass over the samples. */
const TOGETHER = 8;

/** Blocks from the input to the output, so that each sees what the ones before it became. */
function inOrder(blocks: readonly Candidate[], { graph }: Model): Candidate[] {
  const order = new Map(graph.nodes.flatMap((node, i) => node.outputs.map((name) => [name, i] as const)));
  return [...blocks].sort((a, b) => order.get(a.single.run.to)! - order.get(b.single.run.to)!);
}
