/**
 * A model whose weights are stored narrow learns through float32 masters of them.
 *
 *   float16   W → float32(W), everything around it widened
 *   integer   W → QuantizeLinear(M, s, z),  M = (W − z) · s: rounded on the way forward, straight through on the way back (`gridOf`)
 *             or behind Cast, Sub(z) where there is a zero point, and Mul(s), where integers are storage alone
 *   int32     a bias b → b · s: its step is too fine to matter
 *
 * Afterwards each master goes back into the type and onto the grid that the file has: only the weights of the file change.
 * Source   Micikevicius et al. 2018, arXiv:1710.03740 (masters); Jacob et al. 2018, arXiv:1712.05877 (rounding while learning).
 */

import { roundEven } from '../base/round.ts';
import { expand } from '../grad/expand.ts';
import { factsOf, limitsOf } from '../graph/dtype.ts';
import { consumers, freshNames, namesOf, producers } from '../graph/edit.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { float32, floats, int64, numbers, sizeOf, type Tensor, tensor, toBrain, toHalf } from '../graph/tensor.ts';
import { infer } from '../ops/infer.ts';
import { modernize } from '../ops/modern.ts';
import { widen } from '../rewrite/widen.ts';
import { type Grid, gridOf, stepsOf } from './integer-grid.ts';

export interface Mastered {
  /** The model with float32 weights under their own names, and float32 inputs. */
  readonly model: Model;
  /** The given model with what the masters learnt. */
  readonly settle: (learnt: Model) => Model;
}

/** The form with masters; the model itself where no weight is stored narrow. */
export function withMasters(given: Model): Mastered {
  const modern = modernize(given);
  const wide = widen(modern);
  const open = expand(wide.graph, infer(wide.graph), ({ isQuantized }) => isQuantized === true);
  const { graph, grids } = withIntegerMasters(open);
  if (graph === open && wide === modern) return { model: given, settle: (learnt) => learnt };
  const settle = ({ graph: { initializers: learnt } }: Model): Model => {
    const initializers = new Map(
      [...given.graph.initializers].map(([name, old]): [string, Tensor] => {
        const now = learnt.get(name);
        return [name, now && now !== graph.initializers.get(name) ? narrowed(now, old, grids.get(name)) : old];
      }),
    );
    return { ...given, graph: { ...given.graph, initializers } };
  };
  return { model: { ...wide, graph }, settle };
}

/** Every stored integer that is only read as the number it stands for, as that number. */
function withIntegerMasters(graph: Graph): { graph: Graph; grids: ReadonlyMap<string, Grid> } {
  const fresh = freshNames(namesOf(graph));
  const readers = consumers(graph);
  const links = { initializers: graph.initializers, readers, makers: producers(graph) };
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const initializers = new Map(graph.initializers);
  const grids = new Map<string, Grid>();
  const rounding: Node[] = [];
  const rounded = new Map<string, string>();
  const settings = new Map<string, string>();
  for (const [name, t] of graph.initializers) {
    const grid = outputs.has(name) ? undefined : gridOf(name, t, links);
    if (!grid) continue;
    grids.set(name, grid);
    initializers.set(name, float32(t.dims, real(t, grid)));
    if (t.dtype === 'int32') continue;
    const [reader] = readers.get(name)!;
    const stored = fresh(`${name}_rounded`);
    const constant = (wish: string, value: Tensor): string => {
      const made = fresh(`${name}_${wish}`);
      initializers.set(made, value);
      return made;
    };
    rounding.push(grid.stepElsewhere ? onGrid(name, stored, t, grid, constant) : asReader(name, stored, t, reader!));
    rounded.set(name, stored);
    for (const settled of [grid.stepElsewhere, grid.zeroElsewhere]) {
      const value = graph.initializers.get(settled ?? '');
      if (!settled || !value || sizeOf(value.dims) === 1 || settings.has(settled)) continue;
      const kept = fresh(`${settled}_kept`);
      rounding.push(...setting(value, kept, constant));
      settings.set(settled, kept);
    }
  }
  if (grids.size === 0) return { graph, grids };
  const renamed = new Map([...rounded, ...settings]);
  const nodes = graph.nodes.map((node): Node => {
    const from = node.inputs.find((name) => grids.has(name) && !rounded.has(name));
    if (from) return { op: 'Identity', domain: '', name: node.name, inputs: [from], outputs: node.outputs, attrs: {} };
    if (!node.inputs.some((name) => renamed.has(name))) return node;
    return { ...node, inputs: node.inputs.map((name) => renamed.get(name) ?? name) };
  });
  return { graph: { ...graph, nodes: [...rounding, ...nodes], initializers }, grids };
}

/** The master rounded as its reader takes it apart. */
function asReader(name: string, stored: string, { dtype }: Tensor, reader: Node): Node {
  const { block_size: _, output_dtype: __, ...attrs } = reader.attrs;
  const inputs = [name, ...reader.inputs.slice(1)];
  const output_dtype = { kind: 'int' as const, value: factsOf(dtype).code };
  return plain('QuantizeLinear', inputs, stored, { ...attrs, ...(!inputs[2] && { output_dtype }) });
}

/** The master rounded to steps that are told elsewhere. */
function onGrid(name: string, stored: string, { dtype }: Tensor, grid: Grid, constant: ConstantMaker): Node {
  const { scale, zero } = stepsOf(grid, dtype);
  const inputs = [name, constant('step', scale), constant('zero', zero)];
  return plain('QuantizeLinear', inputs, stored, { axis: { kind: 'int', value: grid.axis } });
}

/** Steps or zero points of all channels that stay as they are while the weights on them learn: so many times one. */
function setting(step: Tensor, kept: string, constant: ConstantMaker): readonly Node[] {
  const count = sizeOf(step.dims);
  const ones = constant('one', tensor('int8', [count], new Int8Array(count).fill(1)));
  const steps = constant('own', float32([count], floats(step)));
  const axis = { axis: { kind: 'int' as const, value: 0 } };
  if (step.dims.length === 1) return [plain('DequantizeLinear', [ones, steps], kept, axis)];
  const flat = `${kept}_flat`;
  const dims = constant('axes', int64([step.dims.length], step.dims));
  return [plain('DequantizeLinear', [ones, steps], flat, axis), plain('Reshape', [flat, dims], kept, {})];
}

type ConstantMaker = (wish: string, value: Tensor) => string;

const plain = (op: string, inputs: readonly string[], output: string, attrs: Node['attrs']): Node => ({
  op,
  domain: '',
  name: '',
  inputs,
  outputs: [output],
  attrs,
});

const channelOf = (i: number, { run }: Grid, list: readonly number[]): number =>
  list[Math.floor(i / run) % list.length]!;

const real = (t: Tensor, grid: Grid): Float32Array =>
  Float32Array.from(numbers(t), (q, i) => (q - channelOf(i, grid, grid.zeros)) * channelOf(i, grid, grid.scales));

/** A master in the type of the old weight, and on its grid. */
function narrowed(master: Tensor, old: Tensor, grid: Grid | undefined): Tensor {
  if (master.dtype === old.dtype) return master;
  const values = floats(master);
  if (old.dtype === 'float16') return tensor('float16', old.dims, Uint16Array.from(values, toHalf));
  if (old.dtype === 'bfloat16') return tensor('bfloat16', old.dims, Uint16Array.from(values, toBrain));
  if (!grid) return old;
  const [least, most] = limitsOf(old.dtype)!;
  const steps = Array.from(values, (x, i) => {
    const step = roundEven(Math.fround(x / channelOf(i, grid, grid.scales))) + channelOf(i, grid, grid.zeros);
    return Math.min(most, Math.max(least, step));
  });
  return tensor(old.dtype, old.dims, steps);
}
