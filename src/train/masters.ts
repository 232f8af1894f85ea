/**
 * A model whose weights are stored narrow learns through float32 masters of them.
 *
 *   float16   W → float32(W), everything around it widened
 *   integer   W → QuantizeLinear(M, s, z),  M = (W − z) · s: rounded on the way forward, straight through on the way back
 *   int32     a bias b → b · s: its step is too fine to matter
 *
 * Afterwards each master goes back into the type and onto the grid that the file has: only the weights of the file change.
 * Source   Micikevicius et al. 2018, arXiv:1710.03740 (masters); Jacob et al. 2018, arXiv:1712.05877 (rounding while learning).
 */

import { roundEven } from '../base/round.ts';
import { expand } from '../grad/expand.ts';
import { type DType, factsOf, limitsOf } from '../graph/dtype.ts';
import { consumers, freshNames, namesOf } from '../graph/edit.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { float32, floats, numbers, type Tensor, tensor, toBrain, toHalf } from '../graph/tensor.ts';
import { infer } from '../ops/infer.ts';
import { modernize } from '../ops/modern.ts';
import { widen } from '../rewrite/widen.ts';

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

/** The grid of a stored weight; scales and zero points repeat along its elements. */
interface Grid {
  readonly scales: readonly number[];
  readonly zeros: readonly number[];
  /** Elements that follow each other on the same channel. */
  readonly run: number;
}

/** Every stored integer that is only read as the number it stands for, as that number. */
function withIntegerMasters(graph: Graph): { graph: Graph; grids: ReadonlyMap<string, Grid> } {
  const fresh = freshNames(namesOf(graph));
  const readers = consumers(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const initializers = new Map(graph.initializers);
  const grids = new Map<string, Grid>();
  const rounding: Node[] = [];
  const rounded = new Map<string, string>();
  for (const [name, t] of graph.initializers) {
    const grid = outputs.has(name) ? undefined : gridOf(t, readers.get(name) ?? [], name, graph);
    if (!grid) continue;
    grids.set(name, grid);
    initializers.set(name, float32(t.dims, real(t, grid)));
    if (t.dtype === 'int32') continue;
    const [reader] = readers.get(name)!;
    const stored = fresh(`${name}_rounded`);
    const { block_size: _, output_dtype: __, ...attrs } = reader!.attrs;
    const inputs = [name, ...reader!.inputs.slice(1)];
    const dtype = { output_dtype: { kind: 'int' as const, value: factsOf(t.dtype).code } };
    rounding.push({
      op: 'QuantizeLinear',
      domain: '',
      name: '',
      inputs,
      outputs: [stored],
      attrs: { ...attrs, ...(!inputs[2] && dtype) },
    });
    rounded.set(name, stored);
  }
  if (grids.size === 0) return { graph, grids };
  const nodes = graph.nodes.map((node): Node => {
    const [from] = node.inputs;
    if (!from || !grids.has(from)) return node;
    const stored = rounded.get(from);
    if (stored) return { ...node, inputs: [stored, ...node.inputs.slice(1)] };
    return { op: 'Identity', domain: '', name: node.name, inputs: [from], outputs: node.outputs, attrs: {} };
  });
  return { graph: { ...graph, nodes: [...rounding, ...nodes], initializers }, grids };
}

const WHOLE_BYTES: ReadonlySet<DType> = new Set<DType>(['int8', 'uint8', 'int16', 'uint16', 'int32']);

/** The grid that all readers take the integers to lie on, or undefined. */
function gridOf(t: Tensor, readers: readonly Node[], name: string, { initializers }: Graph): Grid | undefined {
  if (!WHOLE_BYTES.has(t.dtype) || readers.length === 0) return undefined;
  const keys = new Set(readers.map(({ inputs, attrs }) => JSON.stringify([inputs.slice(1), attrs['axis']])));
  const areReal = readers.every(
    ({ op, inputs, attrs }) =>
      op === 'DequantizeLinear' && inputs.lastIndexOf(name) === 0 && !attrs['block_size']?.value,
  );
  if (!areReal || keys.size > 1) return undefined;
  const [, scale, zero] = readers[0]!.inputs;
  const [s, z] = [initializers.get(scale!), zero ? initializers.get(zero) : undefined];
  if (s?.dtype !== 'float32' || (zero && !z)) return undefined;
  const scales = numbers(s);
  const axis = readers[0]!.attrs['axis'];
  const at = ((axis?.kind === 'int' ? axis.value : 1) + t.dims.length) % Math.max(1, t.dims.length);
  const run = scales.length === 1 ? 1 : t.dims.slice(at + 1).reduce((n, dim) => n * dim, 1);
  return { scales, zeros: z ? numbers(z) : [0], run };
}

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
