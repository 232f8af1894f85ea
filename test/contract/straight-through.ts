/**
 * The float model whose slope the straight-through estimate is: around one run, each rounding is a clamp and a constant.
 *
 *   QuantizeLinear    clamp(x / s + z, low − ½, high + ½) + r      r = what rounding added in that run
 *   DequantizeLinear  (q − z) · s
 */

import { limitsOf } from '../../src/graph/dtype.ts';
import { freshNames, namesOf, producers } from '../../src/graph/edit.ts';
import type { Graph, Node } from '../../src/graph/model.ts';
import { numbers, type Tensor, tensor } from '../../src/graph/tensor.ts';

/** Steps that activations are moved down by: on a grid many lie on the kink of a ReLU, whose slope there is that from below. */
const HAIR = 3e-3;

/** The scales of a graph's integers. */
export const stepsOf = ({ nodes }: Graph): ReadonlySet<string> =>
  new Set(nodes.flatMap(({ op, inputs }) => (/^(Q|Deq)uantizeLinear$/.test(op) ? [inputs[1]!] : [])));

/** What rounds in a graph: the values to fetch for `smoothed`. */
export const roundings = ({ nodes, initializers }: Graph): string[] => [
  ...new Set(
    nodes.flatMap(({ op, inputs, outputs }) =>
      /^(Q|Deq)uantizeLinear$/.test(op)
        ? [inputs[0]!, ...(op === 'QuantizeLinear' ? outputs : [])].filter((name) => !initializers.has(name))
        : [],
    ),
  ),
];

/** The graph with every rounding as it fell in the run that gave these values; steps and zero points must be constants. */
export function smoothed(graph: Graph, seen: Readonly<Record<string, Tensor>>): Graph {
  const fresh = freshNames(namesOf(graph));
  const made = producers(graph);
  const initializers = new Map(graph.initializers);
  const constant = (wish: string, dims: readonly number[], values: readonly number[]): string => {
    const name = fresh(wish);
    initializers.set(name, tensor('float32', dims, Float32Array.from(values)));
    return name;
  };
  const node = (op: string, inputs: readonly string[], output: string): Node => ({
    op,
    domain: '',
    name: '',
    inputs,
    outputs: [output],
    attrs: {},
  });
  const nodes = graph.nodes.flatMap((old): Node[] => {
    if (old.op !== 'QuantizeLinear' && old.op !== 'DequantizeLinear') return [old];
    const [x, scale, zero] = old.inputs as [string, string, string?];
    const output = old.outputs[0]!;
    const values = (name: string): Tensor => (seen[name] ?? initializers.get(name))!;
    const [scales, zeros] = [numbers(values(scale)), zero ? numbers(values(zero)) : [0]];
    const { dims } = values(x);
    const axis = old.attrs['axis']?.kind === 'int' ? old.attrs['axis'].value : 1;
    const at = (axis + dims.length) % Math.max(1, dims.length);
    const laid = scales.length === 1 ? [] : dims.map((size, i) => (i === at ? size : 1));
    const [s, z] = [constant('s', laid, scales), constant('z', zeros.length === 1 ? [] : laid, zeros)];
    const inner = fresh(output);
    if (old.op === 'DequantizeLinear') return [node('Sub', [x, z], inner), node('Mul', [inner, s], output)];
    const [low, high] = limitsOf(values(output).dtype)!.map((limit, i) => limit + (i - 0.5)) as [number, number];
    const run = laid.length === 0 ? 1 : dims.slice(at + 1).reduce((n, size) => n * size, 1);
    const steps = numbers(values(output));
    const isWeight = !made.has(x);
    const rest = numbers(values(x)).map((value, i) => {
      const channel = Math.floor(i / run);
      const place = value / scales[channel % scales.length]! + zeros[channel % zeros.length]!;
      return steps[i]! - Math.min(high, Math.max(low, place)) - (isWeight ? 0 : HAIR);
    });
    const [counted, shifted, clamped] = [fresh(output), fresh(output), fresh(output)];
    return [
      node('Div', [x, s], counted),
      node('Add', [counted, z], shifted),
      node('Clip', [shifted, constant('low', [], [low]), constant('high', [], [high])], clamped),
      node('Add', [clamped, constant('rest', dims, rest)], output),
    ];
  });
  return { ...graph, nodes, initializers };
}
