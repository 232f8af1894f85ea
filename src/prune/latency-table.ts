/**
 * What a cut network would take on this machine, told from layers that were timed alone at several widths.
 *
 *   time(kept) = Σ over layers of the table, between its widths linear, + rest · share of activations that is left
 *   rest       = time of the whole network − Σ over layers at full width
 */

import { costOf } from '../cost/cost.ts';
import { isStatic } from '../graph/dim.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { feedsOf, tensorType } from '../graph/model.ts';
import { sizeOf, type Tensor, zeros } from '../graph/tensor.ts';
import { infer } from '../ops/infer.ts';
import { type Lab, measure, stopIfAborted } from '../runtime/index.ts';
import { loadModel } from '../runtime/load-model.ts';
import { shrinksOf } from './estimate.ts';
import type { Solved } from './group.ts';
import { type LinearLayer, linearLayer } from './layer.ts';

/** Shares of the channels in and out at which every layer is timed. */
const SHARES = [0.25, 0.5, 0.75, 1] as const;
const ROUNDS = 5;

export interface LatencyTable {
  /** Milliseconds of one sample, one thread, when group i has `kept[i]` units left. */
  readonly estimate: (kept: ArrayLike<number>) => number;
  /** Layers that were timed, with their milliseconds at full width. */
  readonly layers: readonly { readonly layer: string; readonly ms: number }[];
  /** The whole network as it stands, measured. */
  readonly wholeMs: number;
}

interface Timed {
  readonly layer: LinearLayer;
  /** [in, out] in the order of SHARES. */
  readonly ms: readonly (readonly number[])[];
}

/** Times every convolution and matrix product at 16 pairs of widths; equal layers are timed once. */
export async function latencyTable({ graph, ...model }: Model, { groups }: Solved, lab: Lab): Promise<LatencyTable> {
  const ready = atOne(graph);
  const facts = infer(ready);
  const dimsOf = (name: string): readonly number[] => (facts.get(name)?.dims ?? []) as readonly number[];
  const layers = ready.nodes.flatMap((node) => {
    const layer = linearLayer(node, ready, facts);
    return layer && isStatic(facts.get(layer.x)?.dims) && isStatic(facts.get(layer.y)?.dims) ? [layer] : [];
  });
  const known = new Map<string, number[][]>();
  const timed: Timed[] = [];
  for (const [i, layer] of layers.entries()) {
    const key = JSON.stringify([
      layer.node.op,
      dimsOf(layer.x),
      ready.initializers.get(layer.weight)!.dims,
      layer.node.attrs,
    ]);
    const ms = known.get(key) ?? (await timesOf(layer, ready, dimsOf(layer.x), model, lab));
    known.set(key, ms);
    timed.push({ layer, ms });
    lab.onProgress?.({ task: 'latency table', done: i + 1, total: layers.length });
  }
  const wholeMs = await timeOf({ ...model, graph: ready }, lab);
  const full = timed.reduce((sum, { ms }) => sum + ms.at(-1)!.at(-1)!, 0);

  const shrinks = shrinksOf(groups);
  const shareOf = (value: string, kept: ArrayLike<number>, only?: number): number => {
    const dims = dimsOf(value);
    const left = new Map<number, number>();
    for (const { group, axis, each } of shrinks.get(value) ?? [])
      if (only === undefined || axis === only)
        left.set(axis, (left.get(axis) ?? dims[axis]!) - (groups[group]!.size - kept[group]!) * each);
    return [...left].reduce((share, [axis, size]) => share * (size / dims[axis]!), 1);
  };
  const activations = [...facts.keys()].filter(
    (name) => !ready.initializers.has(name) && isStatic(facts.get(name)?.dims),
  );
  const weights = activations.map((name) => sizeOf(dimsOf(name)));
  const total = weights.reduce((a, b) => a + b, 0) || 1;
  const estimate = (kept: ArrayLike<number>): number => {
    const layersMs = timed.reduce((sum, { layer, ms }) => {
      const axisIn = layer.node.op === 'Conv' ? 1 : dimsOf(layer.x).length - 1;
      return sum + between(ms, shareOf(layer.x, kept, axisIn), shareOf(layer.y, kept, layer.axis));
    }, 0);
    const left = activations.reduce((sum, name, i) => sum + weights[i]! * shareOf(name, kept), 0) / total;
    return layersMs + Math.max(0, wholeMs - full) * left;
  };
  return {
    estimate,
    wholeMs,
    layers: timed.map(({ layer, ms }) => ({ layer: layer.node.name || layer.y, ms: ms.at(-1)!.at(-1)! })),
  };
}

/** The graph for one sample; other symbols count 1, as for MACs. */
function atOne(graph: Graph): Graph {
  const symbols = costOf(graph).lengths;
  const inputs = graph.inputs.map((info) => {
    const type = tensorType(info);
    return type?.dims
      ? valueInfo(
          info.name,
          type.dtype,
          type.dims.map((dim) => (typeof dim === 'number' ? dim : (symbols[dim ?? ''] ?? 1))),
        )
      : info;
  });
  return { ...graph, inputs, outputs: graph.outputs.map(({ name }) => ({ name })), values: new Map() };
}

async function timesOf(
  layer: LinearLayer,
  graph: Graph,
  x: readonly number[],
  model: Omit<Model, 'graph'>,
  lab: Lab,
): Promise<number[][]> {
  const table: number[][] = [];
  for (const inside of SHARES) {
    const row: number[] = [];
    for (const outside of SHARES) {
      stopIfAborted(lab.signal);
      row.push(await timeOf({ ...model, graph: alone(layer, graph, x, inside, outside) }, lab));
    }
    table.push(row);
  }
  return table;
}

/** The layer as a network of its own, with this share of its channels. */
function alone(
  { node, weight, x, y, groups }: LinearLayer,
  graph: Graph,
  dims: readonly number[],
  inside: number,
  outside: number,
): Graph {
  const W = graph.initializers.get(weight)!;
  const part = (size: number, share: number): number => Math.max(1, Math.round(size * share));
  const isConv = node.op === 'Conv';
  const isDeep = isConv && groups > 1 && W.dims[1] === 1;
  const turned = isConv || (node.attrs['transB']?.kind === 'int' && node.attrs['transB'].value === 1);
  const axisIn = isConv ? 1 : dims.length - 1;
  const [outAxis, inAxis] = turned ? [0, 1] : [1, 0];
  const channels = isDeep ? part(dims[1]!, outside) : part(W.dims[inAxis]!, inside) * groups;
  const outs = isDeep ? channels * (W.dims[0]! / dims[1]!) : part(W.dims[outAxis]! / groups, outside) * groups;
  const weightDims = W.dims.map((dim, axis) =>
    axis === outAxis ? outs : axis === inAxis && !isDeep ? channels / groups : dim,
  );
  const initializers = new Map<string, Tensor>([[weight, filled(weightDims, W.dtype)]]);
  const bias = node.inputs[2];
  if (bias) initializers.set(bias, filled([outs], W.dtype));
  const attrs =
    isConv && groups > 1
      ? { ...node.attrs, group: { kind: 'int' as const, value: isDeep ? channels : groups } }
      : node.attrs;
  const own: Node = { ...node, attrs };
  return {
    name: 'layer',
    nodes: [own],
    inputs: [
      valueInfo(
        x,
        W.dtype,
        dims.map((dim, axis) => (axis === axisIn ? channels : dim)),
      ),
    ],
    outputs: [{ name: y }],
    initializers,
    values: new Map(),
  };
}

/** Small numbers: zeros may be treated apart, and rounding to denormals is slow. */
const filled = (dims: readonly number[], dtype: Tensor['dtype']): Tensor => {
  const made = zeros(dtype, dims);
  if (dtype === 'float32') new Float32Array(made.bytes.buffer, made.bytes.byteOffset, sizeOf(dims)).fill(0.01);
  return made;
};

async function timeOf(model: Model, lab: Lab): Promise<number> {
  using session = await loadModel(lab.engine, model, { threads: 1 });
  const feeds = Object.fromEntries(
    feedsOf(model.graph).map((info) => {
      const type = tensorType(info)!;
      return [info.name, filled((type.dims ?? []) as number[], type.dtype)];
    }),
  );
  using binding = session.bind(feeds, await session.run(feeds));
  const run = () => (binding.runSync ? binding.runSync() : binding.run());
  const [latency] = await measure([{ name: 'layer', run }], { rounds: ROUNDS, warmup: 1, minMs: 0.3 });
  // The least is what the layer takes; the rest is what else the machine did.
  return latency!.minMs;
}

/** The table between its shares, linear in both; below the least share it goes on towards zero. */
function between(ms: readonly (readonly number[])[], inside: number, outside: number): number {
  const [i, s] = placeOf(inside);
  const [j, t] = placeOf(outside);
  const at = (a: number, b: number): number => ms[a]![b]!;
  const low = at(i, j) + t * (at(i, j + 1) - at(i, j));
  const high = at(i + 1, j) + t * (at(i + 1, j + 1) - at(i + 1, j));
  return Math.max(0, low + s * (high - low));
}

function placeOf(share: number): [number, number] {
  const at = Math.min(
    SHARES.length - 2,
    Math.max(
      0,
      SHARES.findLastIndex((known) => known <= share),
    ),
  );
  return [at, (share - SHARES[at]!) / (SHARES[at + 1]! - SHARES[at]!)];
}
