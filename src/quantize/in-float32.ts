/** Models that compute in 16-bit floats, as ones that compute in float32 between the same ends. */

import { type DType, factsOf } from '../graph/dtype.ts';
import { freshNames, namesOf, producers, renameReads } from '../graph/edit.ts';
import { type Model, type Node, tensorType, type ValueInfo } from '../graph/model.ts';
import { widen } from '../rewrite/widen.ts';
import { toHalfStorage } from './half.ts';

const NARROW: ReadonlySet<DType> = new Set<DType>(['float16', 'bfloat16']);

/**
 * The same function up to 16-bit rounding, in float32: inputs and outputs keep names and types behind a Cast. Quantisation works on float32
 * alone. The model itself where nothing in it is narrower.
 */
export function inFloat32(model: Model): Model {
  const wide = widen(model);
  if (wide === model) return model;
  const { graph } = wide;
  const fresh = freshNames(namesOf(graph));
  const computed = producers(graph);
  const narrow = (infos: readonly ValueInfo[], isEnd: (name: string) => boolean): [ValueInfo, string][] =>
    infos.flatMap((info) => {
      const isNarrow = NARROW.has(tensorType(info)?.dtype ?? 'float32');
      return isNarrow && isEnd(info.name) ? [[info, fresh(`${info.name}_wide`)]] : [];
    });
  const inputs = narrow(model.graph.inputs, (name) => !graph.initializers.has(name));
  const outputs = narrow(model.graph.outputs, (name) => computed.has(name));
  const names = new Map(inputs.map(([{ name }, inner]) => [name, inner]));
  const made = new Map(outputs.map(([{ name }, inner]) => [name, inner]));
  const inner = renameReads(graph.nodes, new Map([...names, ...made])).map((node) => ({
    ...node,
    outputs: node.outputs.map((name) => made.get(name) ?? name),
  }));
  const nodes = [
    ...inputs.map(([{ name }, to]) => cast(name, to, 'float32')),
    ...inner,
    ...outputs.map(([info, from]) => cast(from, info.name, tensorType(info)!.dtype)),
  ];
  // An input with a default is no end: it has the default's type.
  const ends = model.graph.inputs.map((info, i) => (names.has(info.name) ? info : graph.inputs[i]!));
  return { ...wide, graph: { ...graph, nodes, inputs: ends, outputs: model.graph.outputs } };
}

/** The model with weights that `original` holds in 16 bits, and that are float32 now, in 16 bits again. */
export function storedAsBefore(model: Model, original: Model): Model {
  let now = model;
  for (const as of ['float16', 'bfloat16'] as const) {
    const were = original.graph.initializers;
    const exclude = [...now.graph.initializers.keys()].filter((name) => were.get(name)?.dtype !== as);
    if (exclude.length < now.graph.initializers.size) now = toHalfStorage(now, { as, exclude }).model;
  }
  return now;
}

const cast = (from: string, to: string, dtype: DType): Node => ({
  op: 'Cast',
  domain: '',
  name: '',
  inputs: [from],
  outputs: [to],
  attrs: { to: { kind: 'int', value: factsOf(dtype).code } },
});
