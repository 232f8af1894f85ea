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
import { type Grid, gridOf, roundEven } from './grid.ts';
import { integerLayer, type LayerOptions } from './integer-layer.ts';
import { missingLanes, widerResults } from './lanes.ts';
import { movedBy, operandsOf, type Plan } from './plan.ts';
import { rangeOf } from './range.ts';
import type { Role } from './role.ts';
import type { Strips } from './strips.ts';
import { INT4_LIMIT, packInt4 } from './weight.ts';

export interface InsertOptions extends LayerOptions {
  /** Inner values keep their shapes, for whoever looks at them; otherwise channels of zeros may follow, which the engine's kernel is faster with. Default false. */
  ownShapes?: boolean;
  /** Convolutions that will compute in strips: they need fewer channels of zeros, or none. */
  stripped?: ReadonlyMap<Node, Strips>;
}

export interface Inserted {
  readonly graph: Graph;
  /** For each kernel's result: the float value that the kernel gives, before it is quantised. */
  readonly raw: ReadonlyMap<string, string>;
}

const NODE = { domain: '', name: '', attrs: {} } as const;

export function insertPairs(
  graph: Graph,
  facts: Facts,
  plan: Plan,
  grids: ReadonlyMap<string, Grid>,
  options: InsertOptions = {},
): Inserted {
  const raw = new Map<string, string>();
  const { kernels, movers, dropped, groupOf } = plan;
  const rename = renaming(dropped);
  const wider = options.ownShapes ? new Map<string, number>() : widerResults(graph, facts, plan, options.stripped);
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

  const weightOperands = (layer: Node, role: Extract<Role, { kind: 'weighted' }>): Map<number, string> => {
    const replaced = new Map<number, string>();
    const [read, name] = [layer.inputs[role.input]!, layer.inputs[role.weight]!];
    const integers = integersOf.get(read);
    const behind = wider.get(read) ?? 0;
    const lanesOf = (): number =>
      options.stripped?.get(layer)?.lanes ??
      missingLanes(graph.initializers.get(name)!.dims, role.axis, facts.get(read)?.dims);
    const lanes = integers ? lanesOf() : 0;
    if (integers && behind === 0 && lanes > 0) replaced.set(role.input, widened(integers, read, lanes));
    const further = { inputs: behind || lanes, results: wider.get(layer.outputs[0]!) ?? 0 };
    const made = integerLayer(layer, role, { graph, facts }, gridFor(read)!.scale, further, options);
    const { isVector, limit, dims, codes, bias } = made;
    const scaleOf = (own: Float32Array): string =>
      isVector ? share(`v${own.join()}`, () => float32([own.length], own)) : scalar(own[0]!);
    const scale = scaleOf(made.scales);
    const q = storedCodes(limit, `${name} ${scale} ${dims.join()}`, dims, codes);
    const zero = zeros(isVector ? [made.scales.length] : []);
    replaced.set(role.weight, dequantized(q, scale, zero, isVector ? role.axis : undefined));
    if (bias) {
      const step = scaleOf(bias.scales);
      const qb = fresh();
      initializers.set(qb, tensor('int32', [bias.codes.length], bias.codes));
      replaced.set(role.biasSlot, dequantized(qb, step, undefined, isVector ? 0 : undefined));
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
export function shortNames(graph: Graph): () => string {
  const fresh = freshNames(namesOf(graph));
  let count = 0;
  return () => fresh((count++).toString(36));
}

/** The integers that a padding node can work on, or undefined. */
const paddingOf = (
  node: Node,
  integersOf: ReadonlyMap<string, string>,
  initializers: ReadonlyMap<string, Tensor>,
): string | undefined => {
  const pads = initializers.get(node.inputs[1] ?? '');
  return node.op === 'Pad' && pads && elements(pads).length > 0 ? integersOf.get(node.inputs[0]!) : undefined;
};
