/** Every run of a graph that a single layer could stand for, with the layers worth trying. */

import type { Node } from '../../graph/model.ts';
import type { Facts } from '../../ops/infer.ts';
import { entries, type Ground, leak } from './run.ts';
import { isLayer, type Kind, macsOfNodes, type Single, singleOf } from './shape.ts';

export interface CandidateOptions {
  /** Kinds of single layers to try. */
  readonly kinds: readonly Kind[];
  /** Kernels of convolutions to try. */
  readonly kernels: readonly number[];
  /** Layers with weights that a run may hold. */
  readonly depth: number;
  /** Widest regression that is solved in closed form. */
  readonly width: number;
}

export interface Candidate {
  readonly single: Single;
  readonly macsBefore: number;
  /** Layers with weights in the run. */
  readonly layers: number;
}

/** Candidates that save MACs, most first. `facts` are those of one sample. */
export function candidatesOf(
  ground: Ground,
  facts: Facts,
  { kinds, kernels, depth, width }: CandidateOptions,
): Candidate[] {
  const { graph } = ground;
  const found: Candidate[] = [];
  for (const node of graph.nodes) {
    const to = node.outputs[0]!;
    // A run that ends before its activation is the run that ends behind it: only the longer one is looked at.
    if (!ground.isFed(to) || isFollowedByItsActivation(to, ground)) continue;
    for (const run of entries(ground, to)) {
      const layers = [...run.nodes].filter((inner) => isLayer(inner, graph)).length;
      if (layers > depth) break;
      if (layers === 0 || leak(run, ground) !== undefined) continue;
      const macsBefore = macsOfNodes(run.nodes, facts);
      for (const kind of kinds) {
        for (const kernel of kind === 'dense' ? [1] : kernels) {
          const single = singleOf(run, kind, kernel, ground, facts);
          if (typeof single === 'string' || single.width > width) continue;
          if (single.macs < macsBefore) found.push({ single, macsBefore, layers });
        }
      }
    }
  }
  return found.sort((a, b) => b.macsBefore - b.single.macs - (a.macsBefore - a.single.macs));
}

const ACTIVATIONS = new Set([
  'Relu',
  'LeakyRelu',
  'Sigmoid',
  'Tanh',
  'Elu',
  'HardSigmoid',
  'Softplus',
  'Clip',
  'MaxPool',
]);

function isFollowedByItsActivation(name: string, { read, outputs }: Ground): boolean {
  const readers = read.get(name) ?? [];
  return !outputs.has(name) && readers.length === 1 && ACTIVATIONS.has(readers[0]!.op);
}

/**
 * `count` candidates of all lengths of run in turn: long runs save most, short ones keep most. Of one length those come first that lie where the
 * fewest were taken so far, and of those what saves most: in a deep network of equal layers they would otherwise all lie in one place.
 */
export function mixed(candidates: readonly Candidate[], count: number): Candidate[] {
  const groups = new Map<number, { open: Candidate[]; crowd: Map<Node, number> }>();
  for (const candidate of candidates) {
    const group = groups.get(candidate.layers) ?? { open: [], crowd: new Map<Node, number>() };
    groups.set(candidate.layers, group);
    group.open.push(candidate);
  }
  const taken: Candidate[] = [];
  while (taken.length < Math.min(count, candidates.length)) {
    for (const { open, crowd } of groups.values()) {
      if (open.length === 0 || taken.length === count) continue;
      const crowding = open.map(({ single }) => Math.max(...[...single.run.nodes].map((node) => crowd.get(node) ?? 0)));
      const [next] = open.splice(crowding.indexOf(Math.min(...crowding)), 1);
      for (const node of next!.single.run.nodes) crowd.set(node, (crowd.get(node) ?? 0) + 1);
      taken.push(next!);
    }
  }
  return taken;
}
