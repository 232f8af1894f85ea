/** Layers become chains of cheaper layers, where that multiplies less (and, if asked, where the engine is faster). */

import { pick } from '../../base/suggest.ts';
import { costOf } from '../../cost/cost.ts';
import type { Dataset } from '../../data/index.ts';
import { bind } from '../../graph/dim.ts';
import type { Graph, Model } from '../../graph/model.ts';
import { float32 } from '../../graph/tensor.ts';
import { MODERN_OPSET, modernize } from '../../ops/modern.ts';
import type { Edit } from '../../rewrite/net.ts';
import { openNet } from '../../rewrite/open-net.ts';
import { called } from '../../rewrite/rule.ts';
import { type Lab, stopIfAborted } from '../../runtime/index.ts';
import { type CompressReport, type Rewrite, sizeOfModel } from '../report.ts';
import { type SchemeName, schemes } from './index.ts';
import { timeChain } from './latency.ts';
import { type Layer, layerOf, macsOf, whole } from './layer.ts';
import { momentsOf } from './moments.ts';
import type { Rank } from './rank.ts';
import type { Chain, Scheme } from './scheme.ts';
import { type Candidate, FASTER, lostEnergy, select } from './select.ts';

export interface FactorizeOptions {
  /**
   * How layers are cut; 'auto' takes for each layer the scheme that multiplies least at the same rank rule, of those
   * whose spectra tell what is lost ('cp' must be asked for). Default 'auto'.
   */
  by?: SchemeName | Scheme | 'auto' | undefined;
  /** How much of each layer stays. Default { energy: 0.95 }. */
  rank?: Rank | undefined;
  /** Samples: 'svd' then keeps what matters for the outputs on them instead of what is large in the weights. */
  data?: Dataset | undefined;
  /** How many of them. Default 512. */
  samples?: number | undefined;
  /** Ranks of convolutions become multiples of this. Default: the engine's block. */
  roundTo?: number | undefined;
  /** Keep only chains that the engine runs faster than the layer, one sample at a time. Default false, but for `latency`. */
  measured?: boolean | undefined;
  /** Which layers may be cut, by node name. Default all. */
  layers?: ((name: string) => boolean) | undefined;
}

/**
 * Replaces Conv, Gemm and MatMul layers by low-rank chains.
 *
 * The model comes back in today's opset. Only layers whose MACs fall are cut; all others are listed in `kept`, with the
 * reason. Accuracy comes back by fine-tuning or distillation, which is the caller's.
 * Throws   option/unknown for a scheme that does not exist; option/rank for a share outside 0 to 1; data/… from the data.
 *
 * @example
 * const { model, report } = await factorize(vgg, { rank: { keep: { macs: 0.5 } }, data }, lab);
 */
export async function factorize(
  model: Model,
  options: FactorizeOptions,
  lab: Lab,
): Promise<{ model: Model; report: CompressReport }> {
  const { by = 'auto', rank = { energy: 0.95 }, data, samples, measured = false, layers = () => true } = options;
  const block = options.roundTo ?? (lab.engine.blockSize || 1);
  const chosen: readonly Scheme[] =
    by === 'auto'
      ? Object.values<Scheme>(schemes).filter(({ isBound }) => !isBound)
      : [typeof by === 'string' ? pick<Scheme>(schemes, by, 'factorisation') : by];
  const modern = modernize(model);
  const before = sizeOfModel(modern);
  const kept: { place: string; why: string }[] = [];
  const found = findLayers(modern.graph, layers, kept);
  const moments =
    data && found.length > 0 && chosen.some(({ name }) => name === 'svd')
      ? await momentsOf(modern, found, data, samples, lab)
      : undefined;

  const candidates: Candidate[] = [];
  for (const [i, layer] of found.entries()) {
    stopIfAborted(lab.signal);
    const place = called(layer.node);
    const why: string[] = [];
    const ways = chosen.flatMap(({ name, open }) => {
      const opened = open(layer, moments?.get(layer.node.outputs[0]!));
      if (typeof opened !== 'string') return [{ name, opened }];
      why.push(`${name}: ${opened}`);
      return [];
    });
    if (ways.length === 0) kept.push({ place, why: why.join('; ') });
    else candidates.push({ layer, place, macs: macsOf([whole(layer)], layer), ways });
    lab.onProgress?.({ task: 'factorise', done: i + 1, total: found.length });
  }

  const edit = openNet(modern.graph, MODERN_OPSET);
  const rewrites: Rewrite[] = [];
  const choices = await select(candidates, { rank, block, total: before.macs, kept }, lab);
  for (const [i, { candidate, name, opened, ranks, macs, latencyRatio: known }] of choices.entries()) {
    stopIfAborted(lab.signal);
    const { layer, place } = candidate;
    const chain = opened.cut(ranks);
    const latencyRatio = known ?? (measured ? await timeChain(layer, chain.factors, lab) : undefined);
    lab.onProgress?.({ task: 'cut layers', done: i + 1, total: choices.length });
    if (latencyRatio !== undefined && latencyRatio > FASTER) {
      kept.push({ place, why: `${name} at rank ${ranks.join(' × ')} takes ${latencyRatio.toFixed(2)} times as long` });
      continue;
    }
    const fault = put(edit, layer, chain);
    if (fault) {
      kept.push({ place, why: fault });
      continue;
    }
    rewrites.push({
      place,
      what: `${name}, rank ${ranks.join(' × ')} of ${opened.spectra.map(({ energy }) => energy.length).join(' × ')}`,
      macsBefore: candidate.macs,
      macsAfter: macs,
      error: chain.error ?? Math.sqrt(Math.max(0, lostEnergy(opened, ranks))),
      ...(latencyRatio !== undefined && { latencyRatio }),
    });
  }
  edit.dropWeights();
  const made = { ...modern, graph: edit.finish() };
  return { model: made, report: { before, after: sizeOfModel(made), rewrites, kept } };
}

/** Layers that can be read, at the size of one sample. */
function findLayers(graph: Graph, wanted: (name: string) => boolean, kept: { place: string; why: string }[]): Layer[] {
  const symbols = costOf(graph).lengths;
  const inputs = graph.inputs.map((info) => {
    if (info.type?.kind !== 'tensor' || !info.type.dims) return info;
    return { ...info, type: { ...info.type, dims: info.type.dims.map((dim) => bind(dim ?? 1, symbols)) } };
  });
  const net = openNet(
    { ...graph, inputs, values: new Map(), outputs: graph.outputs.map(({ name }) => ({ name })) },
    MODERN_OPSET,
  );
  return graph.nodes.flatMap((node) => {
    if (!['Conv', 'Gemm', 'MatMul'].includes(node.op) || node.domain !== '' || !wanted(called(node))) return [];
    const layer = layerOf(node, net);
    if (typeof layer !== 'string') return [layer];
    kept.push({ place: called(node), why: layer });
    return [];
  });
}

/** The chain in the layer's place; returns why not, if not. */
function put(edit: Edit, { node, kind, rows }: Layer, { factors, bias }: Chain): string | undefined {
  const [x = '', weight = ''] = node.inputs;
  const base = weight || called(node);
  const b = bias && edit.weight(`${base}.bias`, float32([bias.length], bias));
  let y = x;
  factors.forEach(({ dims, W, group = 1, strides, pads, dilations }, i) => {
    const isLast = i === factors.length - 1;
    const wish = `${base}.${i + 1}`;
    if (kind === 'conv') {
      const w = edit.weight(wish, float32(dims, W));
      const attrs = { kernel_shape: dims.slice(2), group, strides, pads, dilations };
      y = edit.emit('Conv', isLast && b ? [y, w, b] : [y, w], attrs, isLast ? { like: node } : {});
      return;
    }
    const [O, I] = [dims[0]!, dims[1]!];
    const turned = new Float32Array(O * I);
    for (let o = 0; o < O; o++) for (let k = 0; k < I; k++) turned[k * O + o] = W[o * I + k]!;
    const w = edit.weight(wish, float32([I, O], turned));
    const isGemm = node.op === 'Gemm' || (rows === 1 && edit.dims(x)?.length === 2);
    if (isGemm) y = edit.emit('Gemm', isLast && b ? [y, w, b] : [y, w], {}, isLast ? { like: node } : {});
    else {
      y = edit.emit('MatMul', [y, w], {}, isLast ? { like: node } : {});
      if (isLast && b) y = edit.emit('Add', [y, b]);
    }
  });
  return edit.replace(node, [y]);
}
