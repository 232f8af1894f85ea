/** Which inner values of student and teacher belong together: by shape and by depth. */

import { PareError } from '../base/error.ts';
import { nearest } from '../base/suggest.ts';
import type { Dataset } from '../data/index.ts';
import { batchDims, bind, portsOf } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Graph, Model } from '../graph/model.ts';
import { type Facts, infer } from '../ops/infer.ts';
import { modernize } from '../ops/modern.ts';
import type { Pair } from './loss/feature.ts';
import { frozen } from './teacher.ts';

/** The deepest value of a stage. */
export interface Stage {
  readonly name: string;
  readonly dims: readonly number[];
}

/**
 * The last value of each spatial size (or, for tokens, the values at even depths) that student and teacher share.
 *
 * Conv nets: one pair per height × width that both have, the deepest value of each. Others: the last value of equal
 * rank and equal leading axes. Channels may differ.
 */
export function pairsOf(student: Model, teacher: Model, data: Dataset): Pair[] {
  const [own, other] = [stages(modernize(student), data), stages(frozen(teacher), data)];
  return [...own].flatMap(([size, { name }]): Pair[] => {
    const match = other.get(size);
    return match ? [{ student: name, teacher: match.name, dims: match.dims }] : [];
  });
}

/**
 * Pairs that the caller names.
 *
 * Throws   distill/pair with the nearest name for a value that there is not, or whose size is not known.
 */
export function namedPairs(
  student: Model,
  teacher: Model,
  data: Dataset,
  names: readonly { readonly student: string; readonly teacher: string }[],
): Pair[] {
  const [own, other] = [modernize(student), frozen(teacher)].map((model) => infer(bound(model.graph, data)));
  const dimsIn = (facts: Facts, name: string, whose: string): readonly number[] => {
    const dims = facts.get(name)?.dims.slice(1);
    if (dims?.every((dim): dim is number => typeof dim === 'number')) return dims;
    const near = nearest(name, [...facts.keys()]);
    throw new PareError('distill/pair', `The ${whose} has no value "${name}" of known size.`, {
      where: name,
      ...(near && { hint: `did you mean "${near}"?` }),
    });
  };
  return names.map((pair) => {
    dimsIn(own!, pair.student, 'student');
    return { ...pair, dims: dimsIn(other!, pair.teacher, 'teacher') };
  });
}

const ENDS = new Set([
  'Relu',
  'Add',
  'LeakyRelu',
  'Clip',
  'Gelu',
  'Sigmoid',
  'Mul',
  'LayerNormalization',
  'Conv',
  'Concat',
]);

/** The deepest value of each spatial size (or number of tokens). */
export function stages(model: Model, data: Dataset): Map<string, Stage> {
  const graph = bound(model.graph, data);
  const facts = infer(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const found = new Map<string, Stage>();
  for (const node of graph.nodes) {
    const fact = facts.get(node.outputs[0]!);
    if (!ENDS.has(node.op) || fact?.dtype !== 'float32' || outputs.has(fact.name)) continue;
    const dims = fact.dims.slice(1);
    if (!dims.every((dim): dim is number => typeof dim === 'number')) continue;
    const places = dims.length === 3 ? dims.slice(1) : dims.length === 2 ? dims.slice(0, 1) : undefined;
    if (places?.some((place) => place > 1))
      found.set(`${dims.length}: ${places.join(' × ')}`, { name: fact.name, dims });
  }
  return found;
}

function bound(graph: Graph, data: Dataset): Graph {
  const own = bind(data, portsOf(graph));
  const inputs = graph.inputs.map((info) => {
    const column = own.inputs[info.name];
    return column ? valueInfo(info.name, column.dtype, batchDims(column, 1)) : info;
  });
  return { ...graph, inputs, values: new Map() };
}
