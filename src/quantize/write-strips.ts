/**
 * Writes strips into a graph of pairs, between the integers and their pairs:
 *
 *   x → Transpose → Reshape → Transpose → DQ → Conv → Q → Transpose → Reshape → Transpose → DQ        channels last in between
 *   w → Pad for each column of a strip → Concat → DQ
 *
 * Engines that put channels last by themselves are left with the Reshapes alone, and work out the weight when they load the file.
 */

import { producers, removeDead } from '../graph/edit.ts';
import type { Attr, Graph, Node } from '../graph/model.ts';
import { elements, int64, tensor } from '../graph/tensor.ts';
import { scribeFor } from './scribe.ts';
import type { Strips } from './strips.ts';

const ints = (...value: number[]): Attr => ({ kind: 'ints', value });
const CHANNELS_LAST = { perm: ints(0, 2, 3, 1) };
const CHANNELS_FIRST = { perm: ints(0, 3, 1, 2) };

/** The graph with these convolutions, each by the name of its result, over strips. */
export function inStrips(graph: Graph, stripped: ReadonlyMap<string, Strips>): Graph {
  if (stripped.size === 0) return graph;
  const made = producers(graph);
  const scribe = scribeFor(graph);
  const { nodes, initializers, fresh, once, constant } = scribe;
  const list = (...values: number[]): string => constant(`${values}`, () => int64([values.length], values));
  const put = (op: string, inputs: readonly string[], attrs: Record<string, Attr> = {}, output = fresh()): string => {
    scribe.put(op, inputs, output, attrs);
    return output;
  };
  /** A node with other inputs. */
  const like = (node: Node, inputs: readonly string[], output = fresh()): string => {
    nodes.push({ ...node, inputs, outputs: [output] });
    return output;
  };
  /** [N, …, H, …] with so many columns: neighbouring channels become neighbouring columns, or the other way round. */
  const regroup = (integers: string, columns: number, output?: string): string => {
    const last = put('Transpose', [integers], CHANNELS_LAST);
    return put('Transpose', [put('Reshape', [last, list(0, 0, columns, -1)])], CHANNELS_FIRST, output);
  };
  const readInStrips = (integers: string, { channels, reads, read }: Strips): string => {
    if (channels > 1) return regroup(integers, read);
    // A single channel is the last one as well.
    return put('Transpose', [put('Reshape', [integers, list(0, -1, read, reads)])], CHANNELS_FIRST);
  };
  /** The codes once for each column of a strip, and laid out as strips of the input are. */
  const spread = (codes: string, { copies, reads, kernel: [high, wide] }: Strips): string => {
    const each = copies.map(([left, right]) => put('Pad', [codes, list(0, 0, 0, left, 0, 0, 0, right)]));
    const all = each.length > 1 ? put('Concat', each, { axis: { kind: 'int', value: 0 } }) : each[0]!;
    if (reads === 1) return all;
    const columns = put('Reshape', [all, list(0, 0, 0, wide, reads)]);
    return put('Reshape', [put('Transpose', [columns], { perm: ints(0, 4, 1, 2, 3) }), list(0, -1, high, wide)]);
  };
  const tiled = (name: string, times: number): string => {
    const value = graph.initializers.get(name)!;
    if (value.dims.length === 0 || times === 1) return name;
    return constant(`${times} ${name}`, () => {
      const own = elements(value) as Int8Array;
      const long = new (own.constructor as Int8ArrayConstructor)(own.length * times);
      for (let i = 0; i < times; i++) long.set(own, i * own.length);
      return tensor(value.dtype, [long.length], long);
    });
  };
  /** The second half of a pair over other integers, and over its grid so many times. */
  const dequantized = (pair: Node, codes: string, times = 1): string => {
    const inputs = [codes, ...pair.inputs.slice(1).map((name) => tiled(name, times))];
    return once(`pair of ${inputs}`, () => like(pair, inputs));
  };
  const overStrips = (node: Node, strips: Strips): Node | undefined => {
    const [x, w, b] = node.inputs.map((name) => made.get(name));
    if (x?.op !== 'DequantizeLinear' || w?.op !== 'DequantizeLinear') return undefined;
    if (node.inputs[2] && b?.op !== 'DequantizeLinear') return undefined;
    const { copies, reads, kernel, strides, pads } = strips;
    const times = copies.length;
    const read = (): string => once(`by ${reads} ${x.inputs[0]}`, () => readInStrips(x.inputs[0]!, strips));
    const input = reads === 1 ? node.inputs[0]! : dequantized(x, read());
    const weight = once(`weight of ${node.inputs[1]} ${copies}`, () =>
      dequantized(w, spread(w.inputs[0]!, strips), times),
    );
    const bias = b ? [dequantized(b, tiled(b.inputs[0]!, times), times)] : [];
    const { auto_pad: _, ...attrs } = node.attrs;
    return {
      ...node,
      inputs: [input, weight, ...bias],
      attrs: { ...attrs, kernel_shape: ints(...kernel), strides: ints(...strides), pads: ints(...pads) },
    };
  };

  const done = new Map<string, Strips>();
  for (const node of graph.nodes) {
    const [output = ''] = node.outputs;
    const strips = stripped.get(output);
    const over = strips && overStrips(node, strips);
    const quantizes = node.op === 'QuantizeLinear' ? done.get(node.inputs[0]!) : undefined;
    if (over) {
      nodes.push(over);
      done.set(output, strips);
    } else if (quantizes && quantizes.copies.length > 1) {
      regroup(like(node, node.inputs), quantizes.columns, output);
    } else nodes.push(node);
  }
  return removeDead({ ...graph, nodes, initializers });
}
