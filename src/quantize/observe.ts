/** Runs a model over samples and shows its inner values, batch by batch, in bounded memory. */

import { asPareError, PareError } from '../base/error.ts';
import { batchDims, type Dataset } from '../data/dataset.ts';
import { fixedBatch } from '../data/port.ts';
import { bytesPerSample } from '../data/sample-bytes.ts';
import { type DType, factsOf } from '../graph/dtype.ts';
import { valueInfo } from '../graph/edit.ts';
import { type Dim, feedsOf, type Graph, type Model, tensorType } from '../graph/model.ts';
import { elements, floats, sizeOf, type Tensor } from '../graph/tensor.ts';
import { infer } from '../ops/infer.ts';
import { type Binding, type Feeds, inOrder, type Lab, lanesOf, type Session, stopIfAborted } from '../runtime/index.ts';
import { loadModel } from '../runtime/load-model.ts';
import { CALM } from './calm.ts';

/** Bytes of inner values that one run may hand out. */
const ROOM = 128 * 2 ** 20;
/**
 * Samples of a run. Memory that was never touched takes longer to come by than a small network to compute: quantising resnet20_cifar10
 * takes 0.85 of the time in runs of 8 as in runs of 32.
 */
const PER_RUN = 8;
/** Of what takes next to no memory. */
const MOST_PER_RUN = 32;
/** Bytes of all that such a run computes. */
const LITTLE = 2 ** 22;
/** Of many outputs the engine searches long for equal parts, where there are none. */
const UNSEARCHED = { 'optimization.disable_specified_optimizers': 'CommonSubexpressionElimination;ConstantSharing' };

/** The column of a data set that feeds each input; a single input takes a single column whatever their names. */
export function columnsOf(graph: Graph, data: Dataset): Map<string, string> {
  const feeds = feedsOf(graph);
  const columns = Object.keys(data.inputs);
  return new Map(
    feeds.map(({ name }) => {
      if (Object.hasOwn(data.inputs, name)) return [name, name];
      if (feeds.length === 1 && columns.length === 1) return [name, columns[0]!];
      throw new PareError('data/port', `"${data.name}" has no column for the model's input "${name}".`, {
        where: name,
        expected: name,
        got: columns.join(', '),
      });
    }),
  );
}

/** The samples with these numbers as the model's inputs; in the memory of feeds of as many others, or more, where those are given. */
export function feedsFor(
  graph: Graph,
  data: Dataset,
  indices: ArrayLike<number>,
  memory: Readonly<Record<string, Tensor>> = {},
): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const [input, column] of columnsOf(graph, data)) {
    const { dtype, dims, whole, batchAxis } = data.inputs[column]!;
    const known = memory[input];
    const size = (whole ? 1 : indices.length) * sizeOf(dims);
    const into = known ? (elements(known) as Float32Array).subarray(0, size) : emptyOf(dtype, size);
    data.fill(column, indices, into);
    const port = tensorType(graph.inputs.find(({ name }) => name === input))?.dims;
    const shape =
      whole || batchAxis !== undefined
        ? batchDims(data.inputs[column]!, indices.length)
        : port && fits(port, [indices.length, ...dims])
          ? [indices.length, ...dims]
          : shaped(port, indices.length, dims);
    feeds[input] = { dtype, dims: shape, bytes: new Uint8Array(into.buffer, into.byteOffset, into.byteLength) };
  }
  return feeds;
}

const emptyOf = (dtype: DType, length: number) =>
  new (factsOf(dtype).array as unknown as new (length: number) => Float32Array)(length);

const fits = (port: readonly Dim[], dims: readonly number[]): boolean =>
  port.length === dims.length && port.every((dim, i) => typeof dim !== 'number' || dim === dims[i]);

/** The input's own dimensions when the samples have as many elements in another shape. */
function shaped(port: readonly Dim[] | undefined, batch: number, dims: readonly number[]): number[] {
  const own = port?.map((dim, axis) => (typeof dim === 'number' ? dim : axis === 0 ? batch : 1));
  return own && sizeOf(own) === batch * sizeOf(dims) ? own : [batch, ...dims];
}

export interface ObserveOptions {
  /** Numbers of the samples to run. */
  readonly samples: ArrayLike<number>;
  /** What is being done, for the progress bar. */
  readonly task: string;
  /** Samples per run; default: `batchFor` the names. */
  readonly batch?: number;
  /** The values say something of a whole run, and are no larger for more samples. */
  readonly isWhole?: true;
}

/** Samples per run at which these values keep within the room: as many as are asked for, or as the rest of the run has in memory that is soon come by. */
export function batchFor(graph: Graph, names: readonly string[], facts = infer(graph), asked?: number): number {
  const bytes = bytesPerSample(graph, facts);
  const total = (of: readonly string[]): number => of.reduce((n, name) => n + bytes(name), 1);
  const little = (): number => Math.floor(LITTLE / total(graph.nodes.flatMap(({ outputs }) => outputs)));
  const most = asked ?? Math.min(MOST_PER_RUN, Math.max(PER_RUN, little()));
  return fixedBatch(graph) ?? Math.max(1, Math.min(most, Math.floor(ROOM / total(names))));
}

/**
 * Shows `see` every batch of the named values: graph inputs, inner values or outputs, all float32. The next batch takes the memory of the
 * last one, fed and given.
 *
 * Memory   at most about 128 MB of values at a time, however many samples there are; one value of one batch at the least.
 * Throws   data/port; work/aborted.
 */
export async function observe(
  model: Model,
  names: readonly string[],
  data: Dataset,
  see: (name: string, value: Float32Array, dims: readonly number[]) => void,
  { samples, task, batch: asked, isWhole }: ObserveOptions,
  lab: Lab,
): Promise<void> {
  const { graph } = model;
  const fed = new Set(feedsOf(graph).map(({ name }) => name));
  const inner = names.filter((name) => !fed.has(name));
  const facts = infer(graph);
  const steady = (name: string): boolean => facts.get(name)?.dims.every((dim) => dim !== null) === true;
  const bytes = bytesPerSample(graph, facts);
  const batch = fixedBatch(graph) ?? asked ?? batchFor(graph, inner);
  const { hands, threads } = lanesOf(lab);
  const many = isWhole ? (fixedBatch(graph) ?? 1) : batch;
  const parts = partition(inner, (name) => bytes(name) * many, ROOM / hands.lanes);
  let done = 0;
  const all = parts.length * samples.length;
  for (const [i, part] of parts.entries()) {
    // No sizes: the engine would hold results against what a file states wrongly.
    const outputs = part.map((name) => valueInfo(name, 'float32'));
    const shown: Model = { ...model, graph: { ...graph, outputs: outputs.length > 0 ? outputs : graph.outputs } };
    using session = await loadModel(lab.engine, shown, {
      ...(threads !== undefined && { threads }),
      plansMemory: false,
      config: { ...CALM, ...UNSEARCHED },
    });
    // A model with a fixed batch sees the samples that fill it; what is left over is left out.
    const lists: number[][] = [];
    for (let at = 0; at + (fixedBatch(graph) ?? 1) <= samples.length; at += batch)
      lists.push(Array.from({ length: Math.min(batch, samples.length - at) }, (_, k) => samples[at + k]!));
    const answer = answering(
      session,
      part,
      part.every(steady),
      (indices, memory) => feedsFor(graph, data, indices, memory),
      lab.signal,
    );
    const runs = inOrder(lists, hands, {
      ahead: (indices) => data.prepare?.(indices),
      async work(indices, lane) {
        stopIfAborted(lab.signal);
        const { feeds, results } = await answer(indices, lane);
        const seen = Object.entries(feeds).filter(([name]) => i === 0 && names.includes(name));
        return { indices, seen, results };
      },
    });
    for await (const { indices, seen, results } of runs) {
      for (const [name, value] of seen) see(name, floats(value), value.dims);
      for (const name of part) see(name, floats(results[name]!), results[name]!.dims);
      done += indices.length;
      lab.onProgress?.({ task, done, total: all });
    }
  }
}

/** What a lane's runs read and write. */
interface Memory {
  readonly feeds: Record<string, Tensor>;
  /** Where sizes of what comes out follow from those of what goes in. */
  readonly results?: Record<string, Tensor>;
  readonly samples: number;
  /** Ties both to the session, by the number of samples, once there is a second run. */
  readonly bindings: Map<number, { readonly binding: Binding; readonly results: Record<string, Tensor> }>;
}

/**
 * Runs that read and write the memory of the same lane's first run: fresh memory takes longer than the copy, and the collector
 * does not see how much of it there is. A run of fewer samples takes the beginning of it. Results whose sizes turn out not to follow from
 * the number of samples get fresh memory after all.
 */
function answering(
  session: Session,
  names: readonly string[],
  isSteady: boolean,
  fill: (indices: readonly number[], memory?: Record<string, Tensor>) => Record<string, Tensor>,
  signal: AbortSignal | undefined,
) {
  const memories: Memory[] = [];
  return async (
    indices: readonly number[],
    lane: number,
  ): Promise<{ feeds: Feeds; results: Record<string, Tensor> }> => {
    const count = indices.length;
    const own = memories[lane];
    const feeds = fill(indices, own && count <= own.samples ? own.feeds : {});
    if (own?.results && count <= own.samples) {
      try {
        const bound = own.bindings.get(count) ?? bind(session, feeds, own.results, [count, own.samples]);
        own.bindings.set(count, bound);
        await bound.binding.run(signal);
        return { feeds, results: bound.results };
      } catch (thrown) {
        if (asPareError(thrown).code !== 'engine/run') throw thrown;
      }
    }
    const results = names.length === 0 ? {} : await session.run(feeds, names, signal);
    memories[lane] ??= { feeds, samples: count, bindings: new Map(), ...(isSteady && names.length > 0 && { results }) };
    return { feeds, results };
  };
}

/** Some samples of all those that memory is there for. */
type Share = readonly [some: number, all: number];

/** Ties feeds, and this share of the results' memory, to the session. Where that is no room for its results, the run says so. */
function bind(session: Session, feeds: Feeds, all: Record<string, Tensor>, share: Share) {
  const results = Object.fromEntries(Object.entries(all).map(([name, whole]) => [name, beginning(whole, share)]));
  return { binding: session.bind(feeds, results), results };
}

/** This share of a tensor, along its first axis; the whole tensor where that is no number of rows. */
function beginning(whole: Tensor, [some, all]: Share): Tensor {
  const [rows = 1, ...rest] = whole.dims;
  if (some === all || (rows * some) % all !== 0) return whole;
  const end = (whole.bytes.length * some) / all;
  return { ...whole, dims: [(rows * some) / all, ...rest], bytes: whole.bytes.subarray(0, end) };
}

/** Values in parts that fit into the room; at least one part. */
function partition(names: readonly string[], size: (name: string) => number, room: number): string[][] {
  const parts: string[][] = [[]];
  let used = 0;
  for (const name of names) {
    const bytes = size(name);
    if (used > 0 && used + bytes > room) {
      parts.push([]);
      used = 0;
    }
    parts.at(-1)!.push(name);
    used += bytes;
  }
  return parts;
}
