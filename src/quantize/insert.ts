/**
 * Writes a plan into a graph: pairs of QuantizeLinear and DequantizeLinear around every kernel, integer weights and biases.
 *
 *   x → Q → DQ → kernel → Q → DQ → …        the form that engines fuse into integer kernels
 *
 * Names no op that it finds. Graph inputs and outputs keep names and types; inner values keep theirs behind the DQ.
 */

import { removeDead, sortNodes } from '../graph/edit.ts';
import type { Graph, Node } from '../graph/model.ts';
import { elements, floats, int64, type Tensor, tensor } from '../graph/tensor.ts';
import type { Facts } from '../ops/infer.ts';
import { type Grid, type GridFormName, gridForms, gridOf, LIMITS, roundEven } from './grid.ts';
import { integerLayer, type LayerOptions } from './integer-layer.ts';
import { missingLanes, widerResults } from './lanes.ts';
import { movedBy, operandsOf, type Plan } from './plan.ts';
import { rangeOf } from './range.ts';
import type { Role } from './role.ts';
import { scribeFor } from './scribe.ts';
import type { Strips } from './strips.ts';
import { writeLayer } from './write-layer.ts';

export interface InsertOptions extends LayerOptions {
  /** How the integers of activations lie about 0. Default `u8`. */
  activations?: GridFormName;
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
  // On x86 the engine turns signed pairs into unsigned ones, unless something works on their integers.
  const isPlain = gridForms[options.activations ?? 'u8'].dtype === 'int8';
  const wider =
    options.ownShapes || isPlain ? new Map<string, number>() : widerResults(graph, facts, plan, options.stripped);
  const scribe = scribeFor(graph);
  const { nodes, initializers, fresh, pair, put } = scribe;
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
    put('QuantizeLinear', [source, ...pair(grid)], q);
    const out = source === name ? fresh() : name;
    if (out !== name) reading.set(name, out);
    put('DequantizeLinear', [q, ...pair(grid)], out);
  };

  const constantOperand = (name: string): string =>
    scribe.once(`c ${name}`, () => {
      const value = initializers.get(name)!;
      const x = floats(value);
      const grid = gridOf(rangeOf(x), name, options.activations);
      const [least, most] = LIMITS[grid.dtype];
      const [q, out] = [fresh(), fresh()];
      const steps = Array.from(x, (v) => Math.min(most, Math.max(least, roundEven(v / grid.scale) + grid.zeroPoint)));
      initializers.set(q, tensor(grid.dtype, value.dims, steps));
      put('DequantizeLinear', [q, ...pair(grid)], out);
      return out;
    });

  const weightOperands = (layer: Node, role: Extract<Role, { kind: 'weighted' }>): Map<number, string> => {
    const replaced = new Map<number, string>();
    const [read, name] = [layer.inputs[role.input]!, layer.inputs[role.weight]!];
    const integers = integersOf.get(read);
    const behind = wider.get(read) ?? 0;
    const lanesOf = (): number =>
      options.stripped?.get(layer)?.lanes ??
      missingLanes(graph.initializers.get(name)!.dims, role.axis, facts.get(read)?.dims);
    const lanes = integers && !isPlain ? lanesOf() : 0;
    if (integers && behind === 0 && lanes > 0) replaced.set(role.input, widened(integers, read, lanes));
    const further = { inputs: behind || lanes, results: wider.get(layer.outputs[0]!) ?? 0 };
    const made = integerLayer(layer, role, { graph, facts }, gridFor(read)!.scale, further, options);
    const { weight, bias } = writeLayer(scribe, name, role.axis, made);
    replaced.set(role.weight, weight);
    if (bias !== undefined) replaced.set(role.biasSlot, bias);
    return replaced;
  };

  /** The value with further channels that stand for 0. */
  const widened = (integers: string, name: string, more: number): string =>
    scribe.once(`p ${integers}`, () => {
      const grid = gridFor(name)!;
      const rank = facts.get(name)!.dims.length;
      const pads = Array.from({ length: 2 * rank }, (_, i) => (i === rank + 1 ? more : 0));
      const [wide, out] = [fresh(), fresh()];
      const amounts = scribe.constant(`i${pads.join()}`, () => int64([pads.length], pads));
      put('Pad', [integers, amounts, scribe.zeroOf(grid)], wide);
      put('DequantizeLinear', [wide, ...pair(grid)], out);
      return out;
    });

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
      put('DequantizeLinear', [stretched, ...pair(gridFor(result)!)], result);
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
      nodes.push({ ...original, inputs: [padding, pads!, scribe.zeroOf(grid[0]), ...rest], outputs: [q] });
      put('DequantizeLinear', [q, ...pair(grid[0])], named[0]!);
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

/** The integers that a padding node can work on, or undefined. */
const paddingOf = (
  node: Node,
  integersOf: ReadonlyMap<string, string>,
  initializers: ReadonlyMap<string, Tensor>,
): string | undefined => {
  const pads = initializers.get(node.inputs[1] ?? '');
  return node.op === 'Pad' && pads && elements(pads).length > 0 ? integersOf.get(node.inputs[0]!) : undefined;
};
