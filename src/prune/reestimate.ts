/**
 * Batch normalisation's statistics as they are after a cut: what a layer reads has changed, its running mean has not.
 *
 *   every layer normalises by its own batch while the statistics are taken, so that the next sees what it will see
 *   mean = E[x], variance = E[x²] − mean², over all places of all batches
 */

import type { Dataset } from '../data/index.ts';
import { freshNames, namesOf } from '../graph/edit.ts';
import type { Attr, Graph, Model, Node } from '../graph/model.ts';
import { float32, int64, type Tensor } from '../graph/tensor.ts';
import { infer } from '../ops/infer.ts';
import type { Lab } from '../runtime/index.ts';
import { meansOf } from './means.ts';
import { tensorLike } from './tensor-like.ts';

export interface ReestimateOptions {
  /** Samples to look at. Default all, but no more than 512. */
  samples?: number | undefined;
}

/**
 * The model with fresh running statistics; unchanged where it has no BatchNormalization of its own constants.
 *
 * Throws   what reading the data and running the model throw.
 */
export async function reestimate(
  model: Model,
  data: Dataset,
  { samples = 512 }: ReestimateOptions,
  lab: Lab,
): Promise<Model> {
  const norms = model.graph.nodes.filter(
    ({ op, inputs }) =>
      op === 'BatchNormalization' && inputs.slice(3).every((name) => model.graph.initializers.has(name)),
  );
  if (norms.length === 0) return model;
  const means = await meansOf(
    model,
    data,
    (_, of) =>
      Object.fromEntries(
        norms.flatMap(({ outputs: [y] }) => [
          [`${y} mean`, of(`${y}/batch_mean`)],
          [`${y} square`, of(`${y}/batch_square`)],
        ]),
      ),
    {
      task: 're-estimate',
      samples,
      prepare: (graph) => byBatch(graph, new Set(norms.map(({ outputs }) => outputs[0]!))),
    },
    lab,
  );
  const initializers = new Map(model.graph.initializers);
  const fresh = freshNames(namesOf(model.graph));
  const nodes = model.graph.nodes.map((node) => {
    const mean = means.get(`${node.outputs[0]} mean`);
    if (!mean || !norms.includes(node)) return node;
    const square = means.get(`${node.outputs[0]} square`)!;
    const variance = square.map((value, i) => Math.max(0, value - mean[i]! ** 2));
    const inputs = [...node.inputs];
    for (const [slot, values] of [
      [3, mean],
      [4, variance],
    ] as const) {
      const like = initializers.get(inputs[slot]!)!;
      // Two layers may share the statistics that they were born with.
      inputs[slot] = fresh(inputs[slot]!);
      initializers.set(inputs[slot]!, tensorLike(like, values));
    }
    return { ...node, inputs };
  });
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  for (const { inputs } of norms) for (const name of inputs.slice(3)) if (!read.has(name)) initializers.delete(name);
  return { ...model, graph: { ...model.graph, nodes, initializers } };
}

/** The graph with these normalisations by the batch at hand, whose moments get names of their own. */
function byBatch(graph: Graph, norms: ReadonlySet<string>): Graph {
  const facts = infer(graph);
  const initializers = new Map<string, Tensor>(graph.initializers);
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const [y] = node.outputs as [string];
    if (!norms.has(y) || node.op !== 'BatchNormalization') return [node];
    const [x, scale, bias] = node.inputs as [string, string, string];
    const rank = facts.get(x)!.dims.length;
    const others = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== 1);
    const epsilon = node.attrs['epsilon']?.kind === 'float' ? node.attrs['epsilon'].value : 1e-5;
    const name = (what: string): string => `${y}/batch_${what}`;
    initializers.set(name('axes'), int64([others.length], others));
    initializers.set(name('spread'), int64([rank], [1, -1, ...new Array<number>(rank - 2).fill(1)]));
    initializers.set(name('epsilon'), float32([], [epsilon]));
    const make = (op: string, inputs: string[], output: string, attrs: Record<string, Attr> = {}): Node => ({
      op,
      domain: '',
      name: output,
      inputs,
      outputs: [output],
      attrs,
    });
    const flat: Record<string, Attr> = { keepdims: { kind: 'int', value: 0 } };
    const wide = (value: string): Node => make('Reshape', [value, name('spread')], `${value}/of/${y}`);
    const spread = (value: string): string => `${value}/of/${y}`;
    return [
      make('ReduceMean', [x, name('axes')], name('mean'), flat),
      make('Mul', [x, x], name('squares')),
      make('ReduceMean', [name('squares'), name('axes')], name('square'), flat),
      make('Mul', [name('mean'), name('mean')], name('mean2')),
      make('Sub', [name('square'), name('mean2')], name('variance')),
      make('Relu', [name('variance')], name('positive')),
      make('Add', [name('positive'), name('epsilon')], name('shifted')),
      make('Sqrt', [name('shifted')], name('deviation')),
      make('Div', [scale, name('deviation')], name('factor')),
      ...[name('mean'), name('factor'), bias].map(wide),
      make('Sub', [x, spread(name('mean'))], name('centred')),
      make('Mul', [name('centred'), spread(name('factor'))], name('scaled')),
      make('Add', [name('scaled'), spread(bias)], y),
    ];
  });
  return { ...graph, nodes, initializers };
}

export const usesBatchNorm = ({ graph }: Model): boolean => graph.nodes.some(({ op }) => op === 'BatchNormalization');
