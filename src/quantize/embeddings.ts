/**
 * Embedding tables of 4 bits in blocks along each row: a token reads half a byte for each number. The engine's kernel is GatherBlockQuantized.
 *
 *   table [V, D] ≈ s · q        q int4 [V, D], s float32 [V, ceil(D / block)], without zero points
 *
 * Source   ONNX Runtime, docs/ContribOperators.md (GatherBlockQuantized).
 */

import { consumers, freshNames, namesOf, removeDead } from '../graph/edit.ts';
import type { Model, Node } from '../graph/model.ts';
import { float32, floats } from '../graph/tensor.ts';
import { type BlockShape, blockCount, roundRows } from './blocks.ts';
import { labelOf } from './plan.ts';
import { packInt4 } from './weight.ts';

/** Tables of fewer numbers are not worth it. */
const WORTHWHILE = 4096;
const MICROSOFT = 'com.microsoft';

/** Does this node look rows of a table up? */
export const looksUp = ({ op, domain, inputs, attrs: { axis } }: Node, table: string): boolean =>
  op === 'Gather' &&
  domain === '' &&
  inputs[0] === table &&
  (axis === undefined || (axis.kind === 'int' && axis.value === 0));

/** The model with its embedding tables in 4 bits, and the labels of the nodes that read them. */
export function quantizeEmbeddings(
  model: Model,
  { block = 32, exclude = [] }: { block?: number; exclude?: readonly string[] } = {},
): { model: Model; replaced: string[] } {
  const { graph } = model;
  const fresh = freshNames(namesOf(graph));
  const initializers = new Map(graph.initializers);
  const readers = consumers(graph);
  const tables = new Map<string, readonly [codes: string, scales: string]>();
  const replaced: string[] = [];

  const isTable = (node: Node): boolean => {
    const [name = ''] = node.inputs;
    const table = graph.initializers.get(name);
    if (!looksUp(node, name) || table?.dtype !== 'float32' || table.dims.length !== 2) return false;
    const isExcluded = [node.name, node.op, node.outputs[0]!].some((label) => exclude.includes(label));
    // A table that is also multiplied with (tied weights) stays: both readers would need a copy of their own.
    const isAlone = (readers.get(name) ?? []).every(({ op, inputs }) => op === 'Gather' && inputs[0] === name);
    return !isExcluded && isAlone && table.dims[0]! * table.dims[1]! >= WORTHWHILE;
  };
  const asIntegers = (name: string): readonly [string, string] => {
    let made = tables.get(name);
    if (!made) {
      const table = initializers.get(name)!;
      const [V, D] = table.dims as [number, number];
      const shape: BlockShape = { K: D, N: V, bits: 4, size: block };
      const { codes, scales } = roundRows(floats(table), shape);
      made = [fresh(`${name}_Q4`), fresh(`${name}_scales`)];
      initializers.set(
        made[0],
        packInt4(
          [V, D],
          Int8Array.from(codes, (code) => code - 8),
        ),
      );
      initializers.set(made[1], float32([V, blockCount(shape)], scales));
      tables.set(name, made);
    }
    return made;
  };
  const nodes = graph.nodes.map((node): Node => {
    if (!isTable(node)) return node;
    const [codes, scales] = asIntegers(node.inputs[0]!);
    replaced.push(labelOf(node));
    const number = (value: number) => ({ kind: 'int', value }) as const;
    return {
      ...node,
      op: 'GatherBlockQuantized',
      domain: MICROSOFT,
      inputs: [codes, node.inputs[1]!, scales],
      attrs: { gather_axis: number(0), quantize_axis: number(1), block_size: number(block) },
    };
  });
  if (replaced.length === 0) return { model, replaced };
  const written = removeDead({ ...graph, nodes, initializers });
  return { model: { ...model, opsets: { ...model.opsets, [MICROSOFT]: 1 }, graph: written }, replaced };
}
