/** Weights that share a few values: small indices into a palette. It makes the file smaller, not the network faster. */

import { PareError } from '../../base/error.ts';
import { freshNames, namesOf, withInitializers } from '../../graph/edit.ts';
import type { Graph, Model, Node } from '../../graph/model.ts';
import { floats, sizeOf, type Tensor, tensor } from '../../graph/tensor.ts';
import { writeModel } from '../../onnx/index.ts';
import { modernize } from '../../ops/modern.ts';
import { kMeans } from './k-means.ts';

export interface PaletteOptions {
  /** Bits of an index, 1 to 8. Default 4. */
  bits?: number | undefined;
  /** Output channels (axis 0) that share a palette; 0: the whole tensor. Default 0. */
  channels?: number | undefined;
  /** Weights with fewer elements stay. Default 1024. */
  minSize?: number | undefined;
  /** 'indices': packed indices and a palette, looked up when the model is loaded. 'values': the weights themselves, of few
   * values, for a compressed download. Default 'indices'. */
  as?: 'indices' | 'values' | undefined;
  /** Importance of each element (squared slopes, say), by weight. Default all alike. */
  importance?: ReadonlyMap<string, ArrayLike<number>> | undefined;
}

export interface PaletteReport {
  readonly weights: readonly { readonly name: string; readonly colours: number; readonly error: number }[];
  readonly kept: readonly { readonly place: string; readonly why: string }[];
  /** Bytes of the file, plain and as gzip would send it. */
  readonly bytes: {
    readonly before: number;
    readonly after: number;
    readonly gzipBefore: number;
    readonly gzipAfter: number;
  };
}

/**
 * Replaces each large weight of Conv, Gemm and MatMul by a palette of 2^bits values, chosen by k-means.
 *
 * The engine looks the values up once, when it loads the model: memory and time stay what they were. Indices of up to
 * 4 bits take half a byte, others a byte.
 * Throws   option/bits when bits is not 1 to 8.
 */
export async function sharePalette(
  model: Model,
  { bits = 4, channels = 0, minSize = 1024, as = 'indices', importance }: PaletteOptions = {},
): Promise<{ model: Model; report: PaletteReport }> {
  if (!(Number.isInteger(bits) && bits >= 1 && bits <= 8)) {
    throw new PareError('option/bits', 'An index has 1 to 8 bits.', { got: `${bits}` });
  }
  const { gzipSync } = await import('fflate');
  const modern = modernize(model);
  const report: { name: string; colours: number; error: number }[] = [];
  const kept: { place: string; why: string }[] = [];
  let { graph } = modern;
  for (const name of weightsOf(graph)) {
    const weight = graph.initializers.get(name)!;
    if (weight.dtype !== 'float32') kept.push({ place: name, why: `it is ${weight.dtype}` });
    else if (sizeOf(weight.dims) < minSize)
      kept.push({ place: name, why: `it has ${sizeOf(weight.dims)} elements only` });
    else {
      const shared = coloured(weight, 2 ** bits, channels, importance?.get(name));
      graph =
        as === 'values'
          ? withInitializers(graph, [[name, valuesOf(weight, shared)]])
          : looked(graph, name, weight, shared, bits);
      report.push({
        name,
        colours: shared.reduce((sum, { colours }) => sum + colours.length, 0),
        error: errorOf(weight, shared),
      });
    }
  }
  const made = { ...modern, graph };
  const [plain, small] = [writeModel(modern), writeModel(made)];
  return {
    model: made,
    report: {
      weights: report,
      kept,
      bytes: {
        before: plain.byteLength,
        after: small.byteLength,
        gzipBefore: gzipSync(plain).byteLength,
        gzipAfter: gzipSync(small).byteLength,
      },
    },
  };
}

/** Weights that layers multiply with. */
function weightsOf(graph: Graph): string[] {
  const layers = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);
  const names = graph.nodes.flatMap(({ op, inputs }) => (layers.has(op) ? inputs.slice(0, 2) : []));
  return [...new Set(names)].filter((name) => graph.initializers.has(name));
}

interface Group {
  readonly from: number;
  readonly colours: Float64Array;
  readonly indices: Uint16Array;
}

/** One palette per group of channels. */
function coloured(weight: Tensor, count: number, channels: number, importance?: ArrayLike<number>): Group[] {
  const values = floats(weight);
  const each = channels > 0 ? channels * sizeOf(weight.dims.slice(1)) : values.length;
  const groups: Group[] = [];
  for (let from = 0; from < values.length; from += each) {
    const to = Math.min(values.length, from + each);
    const weights = importance && Float64Array.from({ length: to - from }, (_, i) => importance[from + i]!);
    groups.push({ from, ...kMeans(values.subarray(from, to), count, weights) });
  }
  return groups;
}

function valuesOf(weight: Tensor, groups: readonly Group[]): Tensor {
  const values = new Float32Array(sizeOf(weight.dims));
  for (const { from, colours, indices } of groups)
    for (let i = 0; i < indices.length; i++) values[from + i] = colours[indices[i]!]!;
  return tensor('float32', weight.dims, values);
}

function errorOf(weight: Tensor, groups: readonly Group[]): number {
  const [before, after] = [floats(weight), floats(valuesOf(weight, groups))];
  let [off, all] = [0, 0];
  for (let i = 0; i < before.length; i++) {
    off += (before[i]! - after[i]!) ** 2;
    all += before[i]! ** 2;
  }
  return Math.sqrt(off / Math.max(all, Number.MIN_VALUE));
}

/** The weight as Gather(palette, Cast(indices)): all constants, so the engine computes it while loading. */
function looked(graph: Graph, name: string, weight: Tensor, groups: readonly Group[], bits: number): Graph {
  const fresh = freshNames(namesOf(graph));
  const nodes: Node[] = [];
  const added: [string, Tensor][] = [];
  const pieces = groups.map(({ colours, indices }) => {
    const [table, places, wide, part] = ['palette', 'indices', 'places', 'part'].map((what) =>
      fresh(`${name}.${what}`),
    );
    added.push([table!, tensor('float32', [colours.length], Float32Array.from(colours))]);
    added.push([places!, packed(indices, bits)]);
    nodes.push(node('Cast', [places!], wide!, { to: { kind: 'int', value: INT32 } }));
    nodes.push(node('Gather', [table!, wide!], part!, { axis: { kind: 'int', value: 0 } }));
    return part!;
  });
  const flat = pieces.length === 1 ? pieces[0]! : fresh(`${name}.flat`);
  if (pieces.length > 1) nodes.push(node('Concat', pieces, flat, { axis: { kind: 'int', value: 0 } }));
  const dims = fresh(`${name}.dims`);
  added.push([dims, tensor('int64', [weight.dims.length], weight.dims)]);
  nodes.push(node('Reshape', [flat, dims], name, {}));
  const initializers = new Map([...graph.initializers, ...added]);
  initializers.delete(name);
  const inputs = graph.inputs.filter((info) => info.name !== name);
  return { ...graph, nodes: [...nodes, ...graph.nodes], initializers, inputs };
}

const INT32 = 6;
const node = (op: string, inputs: string[], output: string, attrs: Node['attrs']): Node => ({
  op,
  domain: '',
  name: output,
  inputs,
  outputs: [output],
  attrs,
});

/** Two to a byte up to 4 bits, else one. */
function packed(indices: Uint16Array, bits: number): Tensor {
  if (bits > 4) return tensor('uint8', [indices.length], Uint8Array.from(indices));
  const bytes = new Uint8Array(Math.ceil(indices.length / 2));
  for (let i = 0; i < indices.length; i++) bytes[i >> 1]! |= indices[i]! << (4 * (i & 1));
  return tensor('uint4', [indices.length], bytes);
}
