/**
 * Convolutions over strips: several neighbouring columns of an image computed by one step of the kernel.
 *
 * Before it multiplies, the engine's direct convolution notes an address for every place of the result and every tap; where channels are few, that
 * takes as long as the products. A strip of S columns is one place of S · O channels, whose kernel is wider by the columns in between:
 *
 *   w [O, C, kh, kw]  →  S copies, each further to the right by the stride, zeros beside them  →  [S · O, C, kh, kw + (S − 1) · stride]
 *
 * Where channels come last, as in the engine, [N, H, W/S, S · O] and [N, H, W, O] are the same bytes: neighbours cost one Reshape. Likewise the
 * input may be read in strips of R columns of C channels; then it needs no channels of zeros to come in fours. The answers are the same bits.
 */

import type { Dim, Graph, Node } from '../graph/model.ts';
import { rowOf } from '../ops/index.ts';
import { attrsOf, type Facts } from '../ops/infer.ts';
import { type Window, type WindowAttrs, windowOf } from '../ops/window.ts';
import { missingLanes } from './lanes.ts';
import type { Plan } from './plan.ts';

/** How wide strips are, and what the convolution over them is. */
export interface Strips {
  /** Columns of the input that are read as one, and strips of them across the image. */
  readonly reads: number;
  readonly read: number;
  /** Channels of the input, and channels of zeros that it still needs. */
  readonly channels: number;
  readonly lanes: number;
  /** Columns of the result across the image. */
  readonly columns: number;
  /** For each column of a strip of the result: zeros to the left and to the right of a row of the kernel, in columns of the input. */
  readonly copies: readonly (readonly [left: number, right: number])[];
  /** Of the convolution. */
  readonly kernel: readonly [height: number, width: number];
  readonly strides: readonly number[];
  /** As ONNX has them: both beginnings, both ends. */
  readonly pads: readonly number[];
}

/**
 * Nanoseconds on x86 with VNNI (AVX-512), fitted to 20 convolutions of 4 to 64 channels; only their relations matter. A tap is an address; a step
 * multiplies four channels of it with all results, sixteen at a time.
 */
const COST = { tap: 0.8, step: 0.08, sixteen: 0.12, node: 700, pad: 1500 } as const;
const LANES = 4;
const SIXTEEN = 16;
const MOST_RESULTS = 16;
const READS = [1, 2, 4];
/** Gains below this are not worth a larger kernel. */
const WORTHWHILE = 0.95;

/** The layers that compute in strips. */
export const strippedLayers = ({ initializers }: Graph, facts: Facts, { kernels }: Plan): Map<Node, Strips> =>
  new Map(
    [...kernels].flatMap(([node, role]) => {
      if (role.kind !== 'weighted' || role.axis !== 0) return [];
      const input = facts.get(node.inputs[role.input]!)?.dims;
      const strips = stripsOf(node, initializers.get(node.inputs[role.weight]!)!.dims, input);
      return strips ? [[node, strips] as const] : [];
    }),
  );

/** The strips in which a convolution is fastest; undefined where it is so without any. */
export function stripsOf(node: Node, weight: readonly number[], input: readonly Dim[] | undefined): Strips | undefined {
  const row = rowOf(node);
  if (!row || weight.length !== 4 || !isImage(input) || input[1] !== weight[1]) return undefined;
  const window = windowOf(input.slice(2), weight.slice(2), attrsOf(row, node) as WindowAttrs);
  const [, columns] = window.out;
  if (typeof columns !== 'number' || window.kernel[1] === 1 || window.dilations[1] !== 1) return undefined;
  const channels = weight[1]!;
  const lanes = missingLanes(weight, 0, input);
  const candidates = Array.from({ length: MOST_RESULTS }, (_, i) => i + 1).flatMap((results) =>
    READS.flatMap((reads) => stripsBy(results, reads, window, input[3], weight, reads === 1 ? lanes : 0) ?? []),
  );
  const places = (window.out[0] as number) * columns;
  const cost = (strips: Priced): number => nanoseconds(strips, weight[0]!, places);
  const kernel = window.kernel as [number, number];
  const least = WORTHWHILE * cost({ copies: [[0, 0]], reads: 1, kernel, channels, lanes });
  return candidates
    .filter((strips) => cost(strips) < least)
    .reduce<Strips | undefined>((best, each) => (best && cost(best) <= cost(each) ? best : each), undefined);
}

const isImage = (dims: readonly Dim[] | undefined): dims is readonly [Dim, number, number, number] =>
  dims?.length === 4 && dims.slice(1).every((dim) => typeof dim === 'number');

/** Strips of that many columns, where they divide the image. */
function stripsBy(
  results: number,
  reads: number,
  { kernel, strides, begin, end, out }: Window,
  columns: number,
  [filters, channels]: readonly number[],
  lanes: number,
): Strips | undefined {
  const [, stride] = strides as [number, number];
  const [, left] = begin as [number, number];
  const total = out[1] as number;
  const fits = total % results === 0 && columns % reads === 0 && (results * stride) % reads === 0;
  const width = filters! * results;
  const isDirect = width >= SIXTEEN && width % LANES === 0 && ((channels! + lanes) * reads) % LANES === 0;
  if (!fits || !isDirect || results * reads === 1) return undefined;
  const padLeft = Math.ceil(left / reads);
  const lead = padLeft * reads - left;
  const wide = Math.ceil((lead + (results - 1) * stride + kernel[1]!) / reads);
  const step = (results * stride) / reads;
  const padRight = (total / results - 1) * step + wide - padLeft - columns / reads;
  if (padRight <= -step) return undefined;
  const copies = Array.from({ length: results }, (_, i) => {
    const before = lead + i * stride;
    return [before, wide * reads - before - kernel[1]!] as const;
  });
  return {
    reads,
    read: columns / reads,
    channels: channels!,
    lanes,
    columns: total,
    copies,
    kernel: [kernel[0]!, wide],
    strides: [strides[0]!, step],
    pads: [begin[0]!, padLeft, end[0]!, Math.max(0, padRight)],
  };
}

type Priced = Pick<Strips, 'copies' | 'reads' | 'kernel' | 'channels' | 'lanes'>;

function nanoseconds(
  { copies, reads, kernel: [high, wide], channels, lanes }: Priced,
  filters: number,
  places: number,
): number {
  const results = copies.length;
  const taps = high * wide;
  const steps = taps * Math.ceil(((channels + lanes) * reads) / LANES);
  const rows = Math.ceil((filters * results) / SIXTEEN);
  const nodes = COST.node * ((results > 1 ? 1 : 0) + (reads > 1 ? 1 : 0)) + (lanes > 0 ? COST.pad : 0);
  return (places / results) * (taps * COST.tap + steps * (COST.step + COST.sixteen * rows)) + nodes;
}
