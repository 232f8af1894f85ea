/**
 * Residual blocks that change little, left out: y = x + f(x) becomes y = x.
 *
 *   likeness = mean over samples of cos(x, y): the nearer to 1, the less the block does
 *
 * Source   Men et al. 2024, "ShortGPT", arXiv:2403.03853 (block influence = 1 − likeness).
 */

import { PareError } from '../base/error.ts';
import type { Dataset } from '../data/index.ts';
import { consumers, producers, removeDead, renameReads } from '../graph/edit.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { infer } from '../ops/infer.ts';
import type { Lab } from '../runtime/index.ts';
import { type Size, sizeOfGraph } from './estimate.ts';
import { meansOf } from './means.ts';
import { settle } from './settle.ts';

/** A residual block: what goes in and what comes out have the same shape. */
export interface Block {
  /** The addition at its end. */
  readonly name: string;
  readonly x: string;
  readonly y: string;
}

export interface Ranked extends Block {
  readonly likeness: number;
}

export interface DropOptions {
  /** Blocks to leave out. Default 1, or with `keepMacs` as many as it takes. */
  count?: number | undefined;
  /** Share of the multiply-accumulates that may stay. */
  keepMacs?: number | undefined;
  /** Samples to look at. */
  data: Dataset;
  /** Default all, but no more than 64. */
  samples?: number | undefined;
}

export interface Dropped {
  readonly model: Model;
  readonly report: {
    readonly before: Size;
    readonly after: Size;
    /** All blocks, the most dispensable first, and those that went. */
    readonly blocks: readonly Ranked[];
    readonly dropped: readonly string[];
  };
}

/** The residual blocks of a graph: additions of a value and something that was made from it alone. */
export function blocksOf(graph: Graph): Block[] {
  const makers = producers(graph);
  const facts = infer(graph);
  const isFrom = (value: string, origin: string): boolean => {
    const seen = new Set<string>();
    const queue = [value];
    for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
      if (name === origin) return true;
      if (seen.has(name)) continue;
      seen.add(name);
      queue.push(...(makers.get(name)?.inputs ?? []));
    }
    return false;
  };
  return graph.nodes.flatMap((node: Node): Block[] => {
    if (node.op !== 'Add' || node.inputs.some((name) => graph.initializers.has(name))) return [];
    const [a, b] = node.inputs as [string, string];
    const y = node.outputs[0]!;
    const dims = [a, b, y].map((name) => facts.get(name)?.dims.join());
    if (dims[0] === undefined || new Set(dims).size > 1) return [];
    const x = isFrom(b, a) ? a : isFrom(a, b) ? b : undefined;
    return x === undefined ? [] : [{ name: node.name || y, x, y }];
  });
}

/**
 * Leaves out the blocks whose output is nearest to their input: so many, or until few enough multiply-accumulates are left.
 *
 * Throws   prune/nothing when the model has fewer such blocks; what reading the data throws.
 */
export async function dropBlocks(
  model: Model,
  { keepMacs, count = keepMacs === undefined ? 1 : Number.POSITIVE_INFINITY, data, samples = 64 }: DropOptions,
  lab: Lab,
): Promise<Dropped> {
  const settled = await settle(model, lab);
  const blocks = blocksOf(settled.graph);
  const least = Number.isFinite(count) ? count : 1;
  if (blocks.length < least)
    throw new PareError('prune/nothing', `${least} residual blocks are to go, and the model has ${blocks.length}.`, {
      expected: 'additions of a value and of what was made from it, of the same shape',
      got: `${blocks.length}`,
    });
  const means = await meansOf(
    settled,
    data,
    (g, of) =>
      Object.fromEntries(
        blocks.flatMap(({ x, y }) => {
          const [a, b] = [of(x), of(y)];
          const rest = a.dims.flatMap((_, axis) => (axis === 0 ? [] : [axis]));
          const sum = (v: typeof a) => g.ReduceSum(v, rest, { keepdims: 0 });
          const norms = g.Sqrt(g.Mul(sum(g.Mul(a, a)), sum(g.Mul(b, b))));
          return [[y, g.ReduceMean(g.Div(sum(g.Mul(a, b)), g.Add(norms, 1e-12)), [0], { keepdims: 0 })]];
        }),
      ),
    { task: 'likeness', samples },
    lab,
  );
  const ranked = blocks
    .map((block) => ({ ...block, likeness: means.get(block.y)![0]! }))
    .sort((a, b) => b.likeness - a.likeness);
  let graph = settled.graph;
  const dropped: string[] = [];
  const instead = new Map<string, string>();
  const origin = (name: string): string => (instead.has(name) ? origin(instead.get(name)!) : name);
  const before = sizeOfGraph(settled.graph);
  const isDone = (): boolean =>
    dropped.length >= count || (keepMacs !== undefined && sizeOfGraph(graph).macs <= keepMacs * before.macs);
  for (const { x, y, name } of ranked) {
    if (isDone()) break;
    const isThere = graph.nodes.some(({ outputs }) => outputs.includes(y)) && consumers(graph).has(y);
    if (!isThere || graph.outputs.some((output) => output.name === y)) continue;
    graph = removeDead({ ...graph, nodes: renameReads(graph.nodes, new Map([[y, origin(x)]])) });
    instead.set(y, x);
    dropped.push(name);
  }
  return {
    model: { ...settled, graph },
    report: { before, after: sizeOfGraph(graph), blocks: ranked, dropped },
  };
}
