/** The form in which a model can be cut: today's ops, and weights that a node makes from constants as plain weights. */

import { removeDead } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import type { Tensor } from '../graph/tensor.ts';
import { modernize } from '../ops/modern.ts';
import { rewrite } from '../rewrite/index.ts';
import type { Lab } from '../runtime/index.ts';
import { loadModel } from '../runtime/load-model.ts';
import { repeats } from './group.ts';
import { unshared } from './unshare.ts';
import { withoutZeroStates } from './zero-state.ts';

/**
 * Modernises, makes shortcuts that pad channels projections, gives each reader its own vectors, lets go of zero states, and replaces nodes that only make constants, and whose channels nothing follows, by what they make. */
export async function settle(model: Model, lab: Lab): Promise<Model> {
  const newest = rewrite(modernize(model), ['pad-to-projection']).model;
  const graph = removeDead(withoutZeroStates(unshared(newest.graph)));
  const modern = { ...newest, graph };
  const constants = new Set(graph.initializers.keys());
  const isShape = (name: string): boolean => graph.initializers.get(name)?.dtype === 'int64';
  const isMade = graph.nodes.filter((node) => {
    const row = repeats(node);
    const isConstant =
      row !== undefined &&
      (row.couple === 'none' || node.inputs.every(isShape)) &&
      node.inputs.every((name) => name === '' || constants.has(name));
    if (isConstant) for (const name of node.outputs) constants.add(name);
    return isConstant;
  });
  if (isMade.length === 0) return modern;
  const names = isMade.flatMap(({ outputs }) => outputs.filter((name) => name !== ''));
  const source = removeDead({
    ...graph,
    nodes: isMade,
    inputs: [],
    values: new Map(),
    outputs: names.map((name) => ({ name })),
  });
  using session = await loadModel(lab.engine, { ...modern, graph: source }, { optimize: 'none' });
  const made: Record<string, Tensor> = await session.run({}, undefined, lab.signal);
  const nodes = graph.nodes.filter((node) => !isMade.includes(node));
  const initializers = new Map([...graph.initializers, ...Object.entries(made)]);
  const settled = removeDead({ ...graph, nodes, initializers });
  return { ...modern, graph: settled };
}
