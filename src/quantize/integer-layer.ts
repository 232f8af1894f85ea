/** A layer's weight and bias as integers: the numbers, before they are written into a graph. */

import type { Graph, Node } from '../graph/model.ts';
import { floats, sizeOf } from '../graph/tensor.ts';
import type { Facts } from '../ops/infer.ts';
import { meanShift } from './correct/means.ts';
import { roundEven } from './grid.ts';
import { widenCodes } from './lanes.ts';
import { type BitOptions, bitsOf, needsGuard } from './layer-bits.ts';
import { pairSafe, pairSafeCodes, type Weights } from './pair-safe.ts';
import type { Role } from './role.ts';
import { along, limitOf, quantizeWeight, roundingOf, weightScales } from './weight.ts';

export interface LayerOptions extends BitOptions {
  /** A weight scale per channel. Default true. */
  perChannel?: boolean;
  /** Weights to write instead of the graph's rounded to nearest, by name; only those chosen for as many bits as their layer now has. */
  weights?: ReadonlyMap<string, Weights>;
  /** Means by input channel of what layers read: their biases then make up for the weights' rounding. */
  inputMeans?: ReadonlyMap<string, ArrayLike<number>>;
  /** What to take off each output channel of a layer, by the name of its result, instead of what the means say. */
  biasShifts?: ReadonlyMap<string, ArrayLike<number>>;
}

export interface IntegerLayer {
  readonly dims: readonly number[];
  readonly codes: Int8Array;
  /** The largest |code|. */
  readonly limit: number;
  /** One for each output channel, or all the same where `isVector` is false. */
  readonly scales: Float32Array;
  readonly isVector: boolean;
  /** Undefined where there is none, or where it cannot be an integer. */
  readonly bias?: { readonly codes: Int32Array; readonly scales: Float32Array };
}

/** Channels of zeros that follow the layer's own, on its input and on its result. */
export interface Further {
  readonly inputs: number;
  readonly results: number;
}

/** A bias must fit into int32 with room for the sum it is added to. */
const BIAS_LIMIT = 2 ** 30;

/** The layer on the grid of its input: scale `inputScale`. */
export function integerLayer(
  layer: Node,
  role: Extract<Role, { kind: 'weighted' }>,
  { graph, facts }: { graph: Graph; facts: Facts },
  inputScale: number,
  further: Further,
  options: LayerOptions,
): IntegerLayer {
  const { input, weight, bias, axis } = role;
  const name = layer.inputs[weight]!;
  const { dims } = graph.initializers.get(name)!;
  const w = floats(graph.initializers.get(name)!);
  const lie = along(dims, axis);
  const isVector = (options.perChannel ?? true) && !(role.product && dims.length > 2);
  const biasValue = graph.initializers.get(bias >= 0 ? layer.inputs[bias]! : '');
  const fits = biasValue?.dtype === 'float32' && sizeOf(biasValue.dims) === lie.channels && isPlainBias(layer);
  const bits = bitsOf(layer, options);
  const limit = limitOf(bits);
  const guarded = needsGuard(bits, dims, axis, facts.get(layer.inputs[input]!)?.dims, options);
  const given = options.weights?.get(name);
  const chosen = given?.bits === bits ? given : guarded ? pairSafe(w, dims, axis, isVector) : undefined;
  const scales = (chosen?.scales ?? weightScales(w, lie, limit, isVector)).slice();
  const isWider = fits && widenForBias(scales, floats(biasValue), inputScale, isVector);
  const codes =
    chosen && !isWider
      ? chosen.codes
      : guarded
        ? pairSafeCodes(w, dims, axis, scales)
        : quantizeWeight(w, scales, lie, limit);

  // Shifts that were measured belong to the codes that they were measured with.
  const isLifted = given !== undefined && given.bits !== bits;
  const shift =
    options.biasShifts && isLifted ? undefined : biasShift(layer, role, { codes, scales, w, dims }, options);
  const takesShift = shift !== undefined && (fits || bias < 0) && role.biasSlot >= 0;
  const b = fits ? floats(biasValue).slice() : takesShift ? new Float32Array(lie.channels) : undefined;
  if (b && takesShift) for (let c = 0; c < b.length; c++) b[c]! -= shift[c]!;

  const all = lie.channels + further.results;
  const everyScale = longer(scales, all, 1);
  const allDims = dims.map((dim, i) => dim + (i === axis ? further.results : i === 1 ? further.inputs : 0));
  const steps = everyScale.map((scale) => inputScale * scale);
  return {
    dims: allDims,
    codes: longer(further.inputs > 0 ? widenCodes(codes, dims, further.inputs) : codes, sizeOf(allDims)),
    limit,
    scales: everyScale,
    isVector,
    ...(b && {
      bias: {
        codes: longer(
          Int32Array.from(b, (value, c) => roundEven(value / steps[c]!)),
          all,
        ),
        scales: steps,
      },
    }),
  };
}

/** What to take off each output channel: as measured, or by the means of what the layer reads. */
function biasShift(
  layer: Node,
  { input, axis }: Extract<Role, { kind: 'weighted' }>,
  { codes, scales, w, dims }: Omit<Weights, 'bits'> & { w: Float32Array; dims: readonly number[] },
  { biasShifts, inputMeans }: LayerOptions,
): ArrayLike<number> | undefined {
  if (biasShifts) return biasShifts.get(layer.outputs[0]!);
  const means = inputMeans?.get(layer.inputs[input]!);
  if (!means) return undefined;
  return meanShift(roundingOf(w, codes, scales, along(dims, axis)), dims, axis, means);
}

/** A scale that is too small for its bias grows until the bias fits (weights of a dead channel are all nearly 0). */
function widenForBias(scales: Float32Array, bias: Float32Array, inputScale: number, perChannel: boolean): boolean {
  const before = scales.slice();
  const least = Array.from(bias, (b) => Math.abs(b) / (inputScale * BIAS_LIMIT));
  const all = least.reduce((a, b) => Math.max(a, b), 0);
  scales.forEach((scale, c) => {
    scales[c] = Math.max(scale, perChannel ? least[c]! : all);
  });
  return scales.some((scale, c) => scale !== before[c]);
}

/** The same numbers, and behind them as many of `rest` as make up the length. */
function longer<T extends Int8Array | Int32Array | Float32Array>(own: T, length: number, rest = 0): T {
  if (own.length === length) return own;
  const long = new (own.constructor as new (length: number) => T)(length).fill(rest) as T;
  long.set(own);
  return long;
}

/** Does the bias enter with factor 1? */
const isPlainBias = ({ attrs }: Node): boolean =>
  (attrs['beta']?.kind !== 'float' || attrs['beta'].value === 1) &&
  (attrs['alpha']?.kind !== 'float' || attrs['alpha'].value === 1);
