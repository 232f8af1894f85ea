/**
 * Samples carried through a graph in stages: what is final is kept, and the next stage starts from there.
 *
 * Fitting n layers one after the other then runs the network once, and not n times.
 */

import type { Dataset } from '../data/index.ts';
import { factsOf } from '../graph/dtype.ts';
import { readsOf, removeDead, valueInfo } from '../graph/edit.ts';
import type { Graph, Model } from '../graph/model.ts';
import { numbers, sizeOf, type Tensor } from '../graph/tensor.ts';
import { infer } from '../ops/infer.ts';
import type { StaticValue } from '../ops/op.ts';
import { type Lab, stopIfAborted } from '../runtime/index.ts';
import { type FeedingOptions, feeding } from './data-batches.ts';
import { loadGraph } from './means.ts';

/** More than this is not kept: the next stage then starts where the last one did. */
const MOST_BYTES = 2 ** 30;

export interface Stage {
  readonly model: Model;
  /** With numbers for dimensions; its values have the same names in every stage. */
  readonly graph: Graph;
  /** What is averaged over batches, by the caller's names. */
  readonly wanted: Readonly<Record<string, StaticValue>>;
  /** Values that no later stage changes, nor anything before them. */
  readonly final: readonly string[];
  /** A prefix of the names under which a batch counts. */
  readonly partOf: (batch: number) => string;
}

export interface Carrier {
  readonly batches: number;
  readonly means: (stage: Stage) => Promise<Map<string, Float64Array>>;
}

/** Samples at the graph's inputs. Throws what `feeding` throws. */
export function carrier(graph: Graph, data: Dataset, options: FeedingOptions, lab: Lab): Carrier {
  const feed = feeding(graph, data, { seed: lab.seed, ...options });
  let kept: Readonly<Record<string, Tensor>>[] = Array.from(feed.each(), ({ feeds }) => feeds);
  return {
    batches: kept.length,
    async means({ model, graph: whole, wanted, final, partOf }) {
      const known = new Set(Object.keys(kept[0]!));
      const names = Object.entries(wanted);
      const rest = whole.nodes.filter(({ outputs }) => !outputs.some((name) => known.has(name)));
      const facts = infer(whole);
      const info = (name: string) => valueInfo(name, facts.get(name)!.dtype, facts.get(name)!.dims);
      const next = frontier(whole, known, final);
      const bytes = [...next].reduce((sum, name) => sum + bytesOf(facts.get(name) as StaticValue), 0);
      const isKept = bytes * kept.length <= MOST_BYTES;
      const fresh = isKept ? [...next].filter((name) => !known.has(name)) : [];
      const outputs = [...new Set([...names.map(([, { name }]) => name), ...fresh])].map(info);
      const stage = removeDead({ ...whole, nodes: rest, inputs: [...known].map(info), outputs });
      const read = new Set([...stage.nodes.flatMap(readsOf), ...outputs.map(({ name }) => name)]);
      const inputs = stage.inputs.filter(({ name }) => read.has(name));
      using session = await loadGraph(model, { ...stage, inputs }, lab);
      const sizes = new Map<string, number>();
      for (let i = 0; i < kept.length; i++) sizes.set(partOf(i), (sizes.get(partOf(i)) ?? 0) + 1);
      const means = new Map<string, Float64Array>();
      const then: Record<string, Tensor>[] = [];
      for (const [batch, values] of kept.entries()) {
        stopIfAborted(lab.signal);
        const feeds = Object.fromEntries(inputs.map(({ name }) => [name, values[name]!]));
        const made: Record<string, Tensor> = await session.run(feeds, undefined, lab.signal);
        for (const [key, { name }] of names) {
          const now = numbers(made[name]!);
          const into = `${partOf(batch)}${key}`;
          const mean = means.get(into) ?? new Float64Array(now.length);
          means.set(into, mean);
          for (let i = 0; i < now.length; i++) mean[i]! += now[i]! / sizes.get(partOf(batch))!;
        }
        if (isKept) then.push(Object.fromEntries([...next].map((name) => [name, made[name] ?? values[name]!])));
      }
      if (isKept) kept = then;
      return means;
    },
  };
}

/** Of what is known and what is final: the values that something not final still reads. */
function frontier(graph: Graph, known: ReadonlySet<string>, final: readonly string[]): Set<string> {
  const wanted = new Set(final);
  const done = new Set<Graph['nodes'][number]>();
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((name) => wanted.has(name) && !known.has(name))) continue;
    done.add(node);
    for (const name of readsOf(node)) wanted.add(name);
  }
  const there = new Set([...known, ...final]);
  for (const { outputs } of done) for (const name of outputs) there.add(name);
  const needed = new Set<string>();
  for (const node of graph.nodes) {
    if (done.has(node) || node.outputs.some((name) => known.has(name))) continue;
    for (const name of readsOf(node)) if (there.has(name)) needed.add(name);
  }
  return needed;
}

const bytesOf = ({ dims, dtype }: StaticValue): number => (sizeOf(dims) * factsOf(dtype).bits) / 8;
