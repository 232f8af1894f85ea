/**
 * Single connections set to zero, freely or N of every M: magnitude, Wanda, SparseGPT.
 *
 * The engine computes with zeros as with any other number: the model is no faster. What shrinks is the compressed file.
 * Source   Sun et al. 2024, "Wanda", arXiv:2306.11695; Frantar and Alistarh 2023, "SparseGPT", arXiv:2301.00774.
 */

import { PareError } from '../../base/error.ts';
import { pick } from '../../base/suggest.ts';
import type { Dataset } from '../../data/index.ts';
import { isFloat } from '../../graph/dtype.ts';
import type { Model } from '../../graph/model.ts';
import { numbers } from '../../graph/tensor.ts';
import { modelBytes, modelPieces } from '../../onnx/index.ts';
import { infer } from '../../ops/infer.ts';
import type { Lab } from '../../runtime/index.ts';
import { feeding } from '../data-batches.ts';
import { type LinearLayer, linearLayer, readersOf } from '../layer.ts';
import { meansOf } from '../means.ts';
import { settle } from '../settle.ts';
import { tensorLike } from '../tensor-like.ts';
import type { Masks } from './masked.ts';
import { keepStrongest, type Pattern } from './pattern.ts';
import { sparsifyRows } from './sparse-gpt.ts';

/** What decides which connections go. */
export const sparsifiers = {
  magnitude: { about: '|w|; without data', needs: 'nothing' },
  wanda: { about: '|w|·‖x‖ within each output; data, no labels', needs: 'norms' },
  'sparse-gpt': { about: 'second order, with the other weights moved to make up; data, no labels', needs: 'moments' },
} as const;
export type SparsifierName = keyof typeof sparsifiers;

export interface SparsifyOptions {
  pattern: Pattern;
  /** Default 'magnitude'. */
  by?: SparsifierName | undefined;
  /** For magnitudes: every layer has the same share of zeros, or all weights compete. Default 'layer'. */
  scope?: 'layer' | 'global' | undefined;
  data?: Dataset | undefined;
  /** Samples to look at. Default all, but no more than 128. */
  samples?: number | undefined;
}

export interface SparseReport {
  readonly by: SparsifierName;
  /** Share of zeros among the weights of linear layers, before and after. */
  readonly zeros: { readonly before: number; readonly after: number };
  /** Bytes of the file, and of the file compressed by gzip. */
  readonly bytes: { readonly before: number; readonly after: number };
  readonly gzipBytes: { readonly before: number; readonly after: number };
  readonly layers: readonly { readonly layer: string; readonly weights: number; readonly zeros: number }[];
}

export interface Sparse {
  readonly model: Model;
  readonly masks: Masks;
  readonly report: SparseReport;
}

/** Wider layers are masked by Wanda's scores: their second moments would take minutes. */
const MOST_COLUMNS = 1280;

/**
 * The model with zeros in the weights of its convolutions and matrix products.
 *
 * Throws   prune/data when `by` looks at activations and there is no data; prune/nothing without linear layers.
 */
export async function sparsify(model: Model, options: SparsifyOptions, lab: Lab): Promise<Sparse> {
  const { by = 'magnitude', pattern, data, samples = 128, scope = 'layer' } = options;
  const { needs } = pick<(typeof sparsifiers)[SparsifierName]>(sparsifiers, by, 'sparsifier');
  const settled = await settle(model, lab);
  const names = layersOf(settled, data).map(({ y }) => y);
  if (names.length === 0)
    throw new PareError('prune/nothing', 'The model has no layer with weights of its own to thin out.');
  if (needs !== 'nothing' && !data) {
    throw new PareError('prune/data', `${by} looks at what layers read and needs data.`, {
      expected: 'data; labels are not needed',
      hint: 'give data, or take magnitude',
    });
  }
  const masks = new Map<string, Uint8Array>();
  let now = settled;
  if (needs === 'moments') {
    for (const [i, name] of names.entries()) {
      now = await oneBySparseGpt(now, name, { pattern, data: data!, samples, masks }, lab);
      lab.onProgress?.({ task: 'sparse-gpt', done: i + 1, total: names.length });
    }
  } else {
    const norms = needs === 'norms' ? await normsOf(settled, names, data!, samples, lab) : undefined;
    for (const [weight, mask] of masksOf(settled, layersOf(settled, data), pattern, scope, norms))
      masks.set(weight, mask);
    now = applied(settled, masks);
  }
  return { model: now, masks, report: await reportOf(by, model, settled, now, masks) };
}

/** Linear layers whose weights nothing else reads. */
function layersOf({ graph }: Model, data: Dataset | undefined): LinearLayer[] {
  const ready = data ? feeding(graph, data).graph : graph;
  const readers = readersOf(ready);
  const facts = infer(ready);
  return ready.nodes.flatMap((node) => {
    const layer = linearLayer(node, ready, facts);
    const isOwn = layer && readers.get(layer.weight) === 1 && isFloat(ready.initializers.get(layer.weight)!.dtype);
    return isOwn ? [layer] : [];
  });
}

/** √(mean x²) of everything that a layer's outputs sum, [groups · width] each. */
async function normsOf(
  model: Model,
  names: readonly string[],
  data: Dataset,
  samples: number,
  lab: Lab,
): Promise<Map<string, Float64Array>> {
  const layers = layersOf(model, data);
  const squares = await meansOf(
    model,
    data,
    (g, of) =>
      Object.fromEntries(
        layers.map((layer) => {
          const x = layer.rows(g, of(layer.x));
          return [layer.y, g.ReduceMean(g.Mul(x, x), [1], { keepdims: 0 })];
        }),
      ),
    { task: 'norms', samples },
    lab,
  );
  return new Map(names.map((name) => [name, squares.get(name)!.map(Math.sqrt)]));
}

/** Scores in the order [group, output, input], and where each lies in the weight. */
function scoresOf(
  model: Model,
  layer: LinearLayer,
  norms: Float64Array | undefined,
): { scores: Float64Array; places: Int32Array } {
  const { groups, height, width, at, weight } = layer;
  const W = numbers(model.graph.initializers.get(weight)!);
  const scores = new Float64Array(groups * height * width);
  const places = new Int32Array(scores.length);
  let next = 0;
  for (let g = 0; g < groups; g++)
    for (let o = 0; o < height; o++)
      for (let i = 0; i < width; i++) {
        places[next] = at(g, o, i);
        scores[next] = Math.abs(W[places[next]!]!) * (norms ? norms[g * width + i]! : 1);
        next += 1;
      }
  return { scores, places };
}

function masksOf(
  model: Model,
  layers: readonly LinearLayer[],
  pattern: Pattern,
  scope: 'layer' | 'global',
  norms: ReadonlyMap<string, Float64Array> | undefined,
): Masks {
  const scored = layers.map((layer) => ({ layer, ...scoresOf(model, layer, norms?.get(layer.y)) }));
  const isGlobal = scope === 'global' && !norms && 'zeros' in pattern;
  let bound = Number.NaN;
  if (isGlobal) {
    const all = Float64Array.from(scored.flatMap(({ scores }) => Array.from(scores))).sort();
    bound = all[Math.floor(all.length * pattern.zeros)] ?? Number.POSITIVE_INFINITY;
  }
  return new Map(
    scored.map(({ layer, scores, places }) => {
      // Wanda compares within each output, for what its inputs weigh differs from output to output.
      const kept = isGlobal
        ? Uint8Array.from(scores, (score) => (score < bound ? 0 : 1))
        : keepStrongest(scores, layer.width, pattern, norms ? layer.width : scores.length);
      const mask = new Uint8Array(scores.length);
      kept.forEach((stays, i) => {
        mask[places[i]!] = stays;
      });
      return [layer.weight, mask];
    }),
  );
}

async function oneBySparseGpt(
  model: Model,
  name: string,
  {
    pattern,
    data,
    samples,
    masks,
  }: { pattern: Pattern; data: Dataset; samples: number; masks: Map<string, Uint8Array> },
  lab: Lab,
): Promise<Model> {
  const layer = layersOf(model, data).find(({ y }) => y === name)!;
  const { groups, height, width, at, weight } = layer;
  if (width > MOST_COLUMNS) {
    const norms = await normsOf(model, [name], data, samples, lab);
    const own = masksOf(model, [layer], pattern, 'layer', norms);
    for (const [key, mask] of own) masks.set(key, mask);
    lab.onNote?.(`"${layer.node.name || name}" sums ${width} numbers: too wide for second moments, masked by Wanda.`);
    return applied(model, own);
  }
  const means = await meansOf(
    model,
    data,
    (g, of) => {
      const x = layer.rows(g, of(layer.x));
      const count = x.dims[1]!;
      return { gram: g.Mul(g.MatMul(g.Transpose(x, { perm: [0, 2, 1] }), x), 1 / count) };
    },
    { task: 'moments', samples },
    lab,
  );
  const gram = means.get('gram')!;
  const before = model.graph.initializers.get(weight)!;
  const values = Float64Array.from(numbers(before));
  const mask = new Uint8Array(values.length).fill(1);
  for (let g = 0; g < groups; g++) {
    const rows = Float64Array.from(
      { length: height * width },
      (_, k) => values[at(g, Math.floor(k / width), k % width)]!,
    );
    const kept = sparsifyRows(rows, width, gram.subarray(g * width * width, (g + 1) * width * width), pattern);
    rows.forEach((value, k) => {
      const place = at(g, Math.floor(k / width), k % width);
      values[place] = value;
      mask[place] = kept[k]!;
    });
  }
  masks.set(weight, mask);
  const initializers = new Map(model.graph.initializers).set(weight, tensorLike(before, values));
  return { ...model, graph: { ...model.graph, initializers } };
}

function applied(model: Model, masks: Masks): Model {
  const initializers = new Map(model.graph.initializers);
  for (const [weight, mask] of masks) {
    const before = initializers.get(weight)!;
    initializers.set(
      weight,
      tensorLike(
        before,
        Float64Array.from(numbers(before), (w, i) => (mask[i] ? w : 0)),
      ),
    );
  }
  return { ...model, graph: { ...model.graph, initializers } };
}

async function reportOf(
  by: SparsifierName,
  original: Model,
  before: Model,
  after: Model,
  masks: Masks,
): Promise<SparseReport> {
  const zeros = (model: Model, weight: string): number =>
    Array.from(numbers(model.graph.initializers.get(weight)!)).filter((w) => w === 0).length;
  const layers = [...masks].map(([layer, mask]) => ({
    layer,
    weights: mask.length,
    zeros: zeros(after, layer) / mask.length,
  }));
  const total = layers.reduce((sum, { weights }) => sum + weights, 0);
  const share = (model: Model): number =>
    [...masks.keys()].reduce((sum, weight) => sum + zeros(model, weight), 0) / total;
  return {
    by,
    layers,
    zeros: { before: share(before), after: share(after) },
    bytes: { before: modelBytes(original), after: modelBytes(after) },
    gzipBytes: { before: await gzipBytes(original), after: await gzipBytes(after) },
  };
}

/** Bytes of the model's file compressed by gzip; it is never held as a whole. */
export async function gzipBytes(model: Model): Promise<number> {
  const pieces = modelPieces(model)[Symbol.iterator]();
  const file = new ReadableStream<BufferSource>({
    pull(controller) {
      const { value, done } = pieces.next();
      if (done) controller.close();
      else controller.enqueue(value as Uint8Array<ArrayBuffer>);
    },
  });
  const stream = file.pipeThrough(new CompressionStream('gzip'));
  let bytes = 0;
  for await (const chunk of stream as unknown as AsyncIterable<Uint8Array>) bytes += chunk.length;
  return bytes;
}
