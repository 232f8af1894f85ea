/** Classifiers whose scores leave in maps from class to score, as scikit-learn's do: learning needs the scores themselves. */

import { producers, valueInfo } from '../graph/edit.ts';
import type { Model, Node } from '../graph/model.ts';
import { infer } from '../ops/infer.ts';
import { modernize } from '../ops/modern.ts';

export interface Opened {
  /** Gives the scores, a tensor, where the original gives a map of them. */
  readonly model: Model;
  /** A changed form of that model, which gives maps again. */
  readonly close: (changed: Model) => Model;
}

const isMap = (node: Node | undefined): node is Node => node?.op === 'ZipMap' && node.domain === 'ai.onnx.ml';

/** The model with the scores behind its maps as outputs of their own; the model itself where no output is a map. */
export function openMaps(model: Model): Opened {
  const { graph } = model;
  const made = producers(graph);
  const maps = new Map(
    graph.outputs.flatMap(({ name }) => {
      const maker = made.get(name);
      return isMap(maker) ? [[name, maker] as const] : [];
    }),
  );
  if (maps.size === 0) return { model, close: (changed) => changed };
  const facts = infer(modernize(model).graph);
  const scoresOf = (name: string): string | undefined => maps.get(name)?.inputs[0];
  const outputs = graph.outputs.map((info) => {
    const scores = scoresOf(info.name);
    if (scores === undefined) return info;
    const fact = facts.get(scores);
    return valueInfo(scores, fact?.dtype ?? 'float32', fact?.dims);
  });
  const nodes = graph.nodes.filter((node) => !isMap(node));
  return {
    model: { ...model, graph: { ...graph, nodes, outputs } },
    close: (changed) => ({
      ...changed,
      graph: { ...changed.graph, nodes: [...changed.graph.nodes, ...maps.values()], outputs: graph.outputs },
    }),
  };
}
