/**
 * Writes a plan into a graph: pairs of QuantizeLinear and DequantizeLinear around every kernel, integer weights and biases.
 *
 *   x → Q → DQ → kernel → Q → DQ → …        the form that engines fuse into integer kernels
 *   w: s8 → DQ(scale per channel)           b: s32 → DQ(s = sx · sw)
 *
 * Names no op that it finds. Graph inputs and outputs keep names and types; inner values keep theirs behind the DQ.
 */

import { factsOf } from '../graph/dtype.ts';
import { freshNames, namesOf, removeDead, sortNodes } from '../graph/edit.ts';
import type { Attr, Graph, Node } from '../graph/model.ts';
import { elements, float32, floats, sizeOf, type Tensor, tensor } from '../graph/tensor.ts';
import type { Facts } from '../ops/infer.ts';
import { meanShift } from './correct/means.ts';
import { type Grid, gridOf, roundEven } from './grid.ts';
import { missingLanes, widenCodes, widerResults } from './lanes.ts';
import { type BitOptions, bitsOf, needsGuard } from './layer-bits.ts';
import { pairSafe, pairSafeCodes, type Weights } from './pair-safe.ts';
import { movedBy, operandsOf, type Plan } from './plan.ts';
import { rangeOf } from './range.ts';
import type { Role } from './role.ts';
import { along, dequantizeWeight, INT4_LIMIT, limitOf, packInt4, quantizeWeight, weightScales } from './weight.ts';

export interface InsertOptions extends BitOptions {
  /** A weight scale per channel. Default true. */
  perChannel?: boolean;
  /** Weights to write instead of the graph's rounded to nearest, by name; only those chosen for as many bits as their layer now has. */
  weights?: ReadonlyMap<string, Weights>;
  /** Means by input channel of what layers read: their biases then make up for the weights' rounding. */
  inputMeans?: ReadonlyMap<string, ArrayLike<number>>;
  /** What to take off each output channel of a layer, by the name of its result, instead of what the means say. */
  biasShifts?: ReadonlyMap<string, ArrayLike<number>>;
  /** Inner values keep their shapes, for whoever looks at them; otherwise channels of zeros may follow, which the engine's kernel is faster with. Default false. */
  ownShapes?: boolean;
}

export interface Inserted {
  readonly graph: Graph;
  /** For each kernel's result: the float value that the kernel gives, before it is quantised. */
  readonly raw: ReadonlyMap<string, string>;
}

/** A bias must fit into int32 with room for the sum it is added to. */
const BIAS_LIMIT = 2 ** 30;
const NODE = { domain: '', name: '', attrs: {} } as const;

export function insertPairs(
  graph: Graph,
  facts: Facts,
  plan: Plan,
  grids: ReadonlyMap<string, Grid>,
  options: InsertOptions = {},
): Inserted {
  const { perChannel = true } = options;
  const raw = new Map<string, string>();
  const { kernels, movers, dropped, groupOf } = plan;
  const rename = renaming(dropped);
  const wider = options.ownShapes ? new Map<string, number>() : widerResults(graph, facts, plan);
  const initializers = new Map(graph.initializers);
  const fresh = shortNames(graph);
  const nodes: Node[] = [];
  const shared = new Map<string, string>();

  const share = (key: string, make: () => Tensor): string => {
    let name = shared.get(key);
    if (name === undefined) {
      name = fresh();
      initializers.set(name, make());
      shared.set(key, name);
    }
    return name;
  };
  const scalar = (value: number): string => share(`s${value}`, () => float32([], [value]));
  const zeroOf = ({ dtype, zeroPoint }: Grid): string =>
    share(`${dtype}${zeroPoint}`, () => tensor(dtype, [], [zeroPoint]));
  const zeros = (dims: readonly number[]): string =>
    share(`z${dims.join()}`, () => tensor('int8', dims, new Int8Array(sizeOf(dims))));
  const pair = (grid: Grid): string[] => [scalar(grid.scale), zeroOf(grid)];
  const node = (op: string, inputs: readonly string[], output: string, attrs: Record<string, Attr> = {}): void => {
    nodes.push({ ...NODE, op, inputs, outputs: [output], attrs });
  };
  const gridFor = (name: string): Grid | undefined => {
    const group = groupOf.get(name);
    const grid = group === undefined ? undefined : grids.get(group);
    const wide = plan.stretch.get(name);
    return grid && wide !== undefined ? { ...grid, scale: Math.fround(grid.scale * wide) } : grid;
  };

  /** What integer kernels read instead of a value. */
  const reading = new Map<string, string>();
  /** The integers themselves. */
  const integersOf = new Map<string, string>();
  const makers = new Set([...kernels.keys(), ...movers.keys()]);
  const outputs = new Set(graph.outputs.map(({ name }) => name));

  const quantizeAfter = (source: string, name: string, grid: Grid): void => {
    const q = fresh();
    integersOf.set(name, q);
    node('QuantizeLinear', [source, ...pair(grid)], q);
    const out = source === name ? fresh() : name;
    if (out !== name) reading.set(name, out);
    node('DequantizeLinear', [q, ...pair(grid)], out);
  };

  const constantOperand = (name: string): string => {
    const key = `c ${name}`;
    const known = shared.get(key);
    if (known !== undefined) return known;
    const value = initializers.get(name)!;
    const x = floats(value);
    const grid = gridOf(rangeOf(x), name);
    const q = fresh();
    const steps = Uint8Array.from(x, (v) => Math.min(255, Math.max(0, roundEven(v / grid.scale) + grid.zeroPoint)));
    initializers.set(q, tensor('uint8', value.dims, steps));
    const out = fresh();
    node('DequantizeLinear', [q, ...pair(grid)], out);
    shared.set(key, out);
    return out;
  };

  const weightOperands = (maker: Node, role: Extract<Role, { kind: 'weighted' }>): Map<number, string> => {
    const { input, weight, bias, axis } = role;
    const replaced = new Map<number, string>();
    const name = maker.inputs[weight]!;
    const value = graph.initializers.get(name)!;
    const w = floats(value);
    const lie = along(value.dims, axis);
    const isBatched = role.product && value.dims.length > 2;
    const vector = perChannel && !isBatched;
    const biasName = bias >= 0 ? maker.inputs[bias]! : '';
    const biasValue = graph.initializers.get(biasName);
    const fits = biasValue?.dtype === 'float32' && sizeOf(biasValue.dims) === lie.channels && plainBias(maker);
    const inputScale = gridFor(maker.inputs[input]!)!.scale;
    const bits = bitsOf(maker, options);
    const guarded = needsGuard(bits, value.dims, axis, facts.get(maker.inputs[input]!)?.dims, options);
    const weightLimit = limitOf(bits);
    const given = options.weights?.get(name);
    const chosen = given?.bits === bits ? given : guarded ? pairSafe(w, value.dims, axis, vector) : undefined;
    const scales = (chosen?.scales ?? weightScales(w, lie, weightLimit, vector)).slice();
    const isWider = fits && widenForBias(scales, floats(biasValue), inputScale, vector);
    const codes =
      chosen && !isWider
        ? chosen.codes
        : guarded
          ? pairSafeCodes(w, value.dims, axis, scales)
          : quantizeWeight(w, scales, lie, weightLimit);
    const read = maker.inputs[input]!;
    const integers = integersOf.get(read);
    const behind = wider.get(read) ?? 0;
    const more = behind || (integers ? missingLanes(value.dims, axis, facts.get(read)?.dims) : 0);
    if (integers && more > behind) replaced.set(input, widened(integers, read, more));
    const results = wider.get(maker.outputs[0]!) ?? 0;
    const all = lie.channels + results;
    const dims = value.dims.map((dim, i) => dim + (i === axis ? results : more > 0 && i === 1 ? more : 0));
    const scaleOf = (own: Float32Array): string =>
      vector ? share(`v${own.join()}`, () => float32([all], own)) : scalar(own[0]!);
    const everyScale = longer(scales, all, 1);
    const scaleName = scaleOf(everyScale);
    const stored = longer(more > 0 ? widenCodes(codes, value.dims, more) : codes, sizeOf(dims));
    const q = storedCodes(weightLimit, `${name} ${scaleName}`, dims, stored);
    replaced.set(weight, dequantized(q, scaleName, zeros(vector ? [all] : []), vector ? axis : undefined));

    const b = fits ? floats(biasValue).slice() : undefined;
    // Shifts that were measured belong to the codes that they were measured with.
    const isLifted = given !== undefined && given.bits !== bits;
    const shift =
      options.biasShifts && isLifted ? undefined : biasShift(maker, role, { codes, scales, w, dims: value.dims });
    const corrected = shift && (b || bias < 0) && role.biasSlot >= 0 ? (b ?? new Float32Array(lie.channels)) : b;
    if (shift && corrected) {
      corrected.forEach((v, c) => {
        corrected[c] = v - shift[c]!;
      });
    }
    if (corrected) {
      const step = everyScale.map((s) => inputScale * s);
      const steps = Int32Array.from(corrected, (v, c) => roundEven(v / step[c]!));
      const stepName = scaleOf(step);
      const qb = fresh();
      initializers.set(qb, tensor('int32', [all], longer(steps, all)));
      replaced.set(role.biasSlot, dequantized(qb, stepName, undefined, vector ? 0 : undefined));
    }
    return replaced;
  };

  /** Codes as they are stored: narrow ones two to a byte, behind a Cast that engines fold when they load the file. */
  const storedCodes = (weightLimit: number, key: string, dims: readonly number[], codes: Int8Array): string => {
    if (weightLimit > INT4_LIMIT) return share(`w ${key}`, () => tensor('int8', dims, codes));
    const packed = share(`w4 ${key}`, () => packInt4(dims, codes));
    const known = shared.get(`c4 ${key}`);
    if (known !== undefined) return known;
    const wide = fresh();
    node('Cast', [packed], wide, { to: { kind: 'int', value: factsOf('int8').code } });
    shared.set(`c4 ${key}`, wide);
    return wide;
  };

  const biasShift = (
    maker: Node,
    { input, axis }: Extract<Role, { kind: 'weighted' }>,
    { codes, scales, w, dims }: Omit<Weights, 'bits'> & { w: Float32Array; dims: readonly number[] },
  ): ArrayLike<number> | undefined => {
    if (options.biasShifts) return options.biasShifts.get(maker.outputs[0]!);
    const means = options.inputMeans?.get(maker.inputs[input]!);
    if (!means) return undefined;
    const difference = dequantizeWeight(codes, scales, along(dims, axis));
    for (let i = 0; i < difference.length; i++) difference[i]! -= w[i]!;
    return meanShift(difference, dims, axis, means);
  };

  /** The value with further channels that stand for 0. */
  const widened = (integers: string, name: string, more: number): string => {
    const key = `p ${integers}`;
    const known = shared.get(key);
    if (known !== undefined) return known;
    const grid = gridFor(name)!;
    const rank = facts.get(name)!.dims.length;
    const pads = Array.from({ length: 2 * rank }, (_, i) => (i === rank + 1 ? more : 0));
    const [wide, out] = [fresh(), fresh()];
    const amounts = share(`i${pads.join()}`, () => tensor('int64', [pads.length], BigInt64Array.from(pads, BigInt)));
    node('Pad', [integers, amounts, zeroOf(grid)], wide);
    node('DequantizeLinear', [wide, ...pair(grid)], out);
    shared.set(key, out);
    return out;
  };

  const dequantized = (q: string, scale: string, zero: string | undefined, axis: number | undefined): string => {
    const key = `d ${q} ${scale}`;
    const known = shared.get(key);
    if (known !== undefined) return known;
    const out = fresh();
    // The default axis of DequantizeLinear is 1.
    const attrs: Record<string, Attr> = axis === undefined || axis === 1 ? {} : { axis: { kind: 'int', value: axis } };
    node('DequantizeLinear', [q, scale, ...(zero === undefined ? [] : [zero])], out, attrs);
    shared.set(key, out);
    return out;
  };

  for (const { name } of graph.inputs) {
    const grid = gridFor(name);
    if (grid && !graph.initializers.has(name)) quantizeAfter(name, name, grid);
  }
  for (const original of graph.nodes) {
    if (dropped.has(original)) continue;
    const role = kernels.get(original);
    const mover = movers.get(original);
    const moved = mover && movedBy(original, mover);
    const [result = ''] = original.outputs;
    const stretched = mover?.kind === 'rescales' && !outputs.has(result) ? integersOf.get(moved!) : undefined;
    if (stretched !== undefined) {
      // Another scale for the same integers.
      integersOf.set(result, stretched);
      node('DequantizeLinear', [stretched, ...pair(gridFor(result)!)], result);
      continue;
    }
    const isMaker = makers.has(original);
    const named = original.outputs.map((name) => rename.get(name) ?? name);
    const grid = original.outputs.map((name, i) => gridFor(name) ?? gridFor(named[i]!));
    const padding = mover && paddingOf(original, integersOf, initializers);
    if (padding && grid[0]) {
      // Padding with zeros is padding the integers with the zero point.
      const q = fresh();
      integersOf.set(named[0]!, q);
      const [, pads, , ...rest] = original.inputs;
      nodes.push({ ...original, inputs: [padding, pads!, zeroOf(grid[0]), ...rest], outputs: [q] });
      node('DequantizeLinear', [q, ...pair(grid[0])], named[0]!);
      continue;
    }
    const replaced = role?.kind === 'weighted' ? weightOperands(original, role) : new Map<number, string>();
    const operands = new Set(role ? operandsOf(original, role) : moved ? [moved] : []);
    const slots = Math.max(original.inputs.length, ...[...replaced.keys()].map((i) => i + 1));
    const inputs = Array.from({ length: slots }, (_, i) => original.inputs[i] ?? '').map((name, i) => {
      const other = replaced.get(i);
      if (other !== undefined) return other;
      if (!operands.has(name)) return name;
      return graph.initializers.has(name) ? constantOperand(name) : (reading.get(name) ?? name);
    });
    const sources = named.map((name, i) => {
      // A product's float result may be what the caller asked for: then integers are made beside it.
      const beside = outputs.has(name) && role?.kind !== 'own' && !(role?.kind === 'weighted' && !role.product);
      return name && grid[i] && isMaker && !beside ? fresh() : name;
    });
    if (role) for (const [i, name] of original.outputs.entries()) raw.set(name, sources[i]!);
    const same =
      inputs.every((name, i) => name === original.inputs[i]) && sources.every((s, i) => s === original.outputs[i]);
    nodes.push(same ? original : { ...original, inputs, outputs: sources });
    named.forEach((name, i) => {
      if (name && grid[i]) quantizeAfter(sources[i]!, name, grid[i]);
    });
  }
  return { graph: removeDead(sortNodes({ ...graph, nodes, initializers, values: new Map() })), raw };
}

/** Each value that only a dropped clamp reads takes the name of the clamp's result. */
function renaming(dropped: ReadonlySet<Node>): Map<string, string> {
  const next = new Map([...dropped].map((node) => [node.inputs[0]!, node.outputs[0]!]));
  return new Map(
    [...next.keys()].map((name) => {
      let last = name;
      for (let to = next.get(last); to !== undefined; to = next.get(last)) last = to;
      return [name, last];
    }),
  );
}

/** Names of one to three letters: in a small model, names are a good part of the file. */
function shortNames(graph: Graph): () => string {
  const fresh = freshNames(namesOf(graph));
  let count = 0;
  return () => fresh((count++).toString(36));
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
const plainBias = ({ attrs }: Node): boolean =>
  (attrs['beta']?.kind !== 'float' || attrs['beta'].value === 1) &&
  (attrs['alpha']?.kind !== 'float' || attrs['alpha'].value === 1);

/** The integers that a padding node can work on, or undefined. */
const paddingOf = (
  node: Node,
  integersOf: ReadonlyMap<string, string>,
  initializers: ReadonlyMap<string, Tensor>,
): string | undefined => {
  const pads = initializers.get(node.inputs[1] ?? '');
  return node.op === 'Pad' && pads && elements(pads).length > 0 ? integersOf.get(node.inputs[0]!) : undefined;
};
