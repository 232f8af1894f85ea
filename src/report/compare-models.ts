/**
 * Two models on the same inputs: how far apart their outputs are, and, layer by layer, where they part.
 *
 *   maxAbs = max |b − a|     relL2 = ‖b − a‖ / ‖a‖     cosine = a·b / (‖a‖ ‖b‖)
 */

import { PareError } from '../base/error.ts';
import type { Dataset } from '../data/index.ts';
import { fixedBatch, recast } from '../data/port.ts';
import { type DType, isFloat } from '../graph/dtype.ts';
import type { Graph, Model } from '../graph/model.ts';
import { elements, float32, floats, numbers, type Tensor, zeros } from '../graph/tensor.ts';
import { stopIfAborted } from '../runtime/aborted.ts';
import type { Port } from '../runtime/engine.ts';
import type { Lab } from '../runtime/lab.ts';
import { loadModel } from '../runtime/load-model.ts';
import { feedsOf } from './feeds.ts';
import { answersOf, scaleOf } from './scoring.ts';
import type { Subject } from './subject.ts';

export interface Distance {
  readonly name: string;
  readonly maxAbs: number;
  readonly relL2: number;
  readonly cosine: number;
  /** Of outputs [N, C]: the share of samples with the same largest entry. */
  readonly top1Agreement?: number;
  /** Why there are no figures: the two have different dimensions. The figures are then NaN. */
  readonly differs?: string;
}

export interface Comparison {
  readonly outputs: readonly Distance[];
  /** Values that both models compute under one name, in the order of the first. */
  readonly layers: readonly (Distance & { readonly op: string })[];
  readonly samples: number;
}

/** Sums that grow batch by batch. */
interface Tally {
  maxAbs: number;
  dot: number;
  normA: number;
  normB: number;
  gap: number;
  same: number;
  rows: number;
  isRows: boolean;
  differs?: string;
}

/**
 * Runs both models on the samples and compares every output, and every inner value of the same name.
 *
 * Outputs are paired by name, else by position. Inner values that are no numbers, or are optimised away by name, do not
 * take part.
 *
 * Throws   data/batch when the models insist on different batches; engine/… from the runs.
 */
export async function compareModels(
  a: Subject,
  b: Subject,
  dataset: Dataset,
  lab: Lab,
  { batch = 8 }: { readonly batch?: number } = {},
): Promise<Comparison> {
  const [fixedA, fixedB] = [fixedBatch(a.model.graph), fixedBatch(b.model.graph)];
  const size = fixedA ?? fixedB ?? Math.min(batch, dataset.size);
  if ((fixedA ?? size) !== (fixedB ?? size)) {
    throw new PareError('data/batch', 'The two models insist on different batches.', {
      expected: `${a.name}: ${fixedA}`,
      got: `${b.name}: ${fixedB}`,
    });
  }
  const outputs = pairOutputs(a.model.graph, b.model.graph);
  const inner = sharedValues(a.model.graph, b.model.graph);
  const load = (model: Model) =>
    loadModel(
      lab.engine,
      exposing(
        model,
        inner.map(({ value }) => value),
      ),
      {
        ...(lab.threads !== undefined && { threads: lab.threads }),
        optimize: 'basic',
      },
    );
  using left = await load(a.model);
  using right = await load(b.model);
  const tallies = new Map<string, Tally>();
  const port = Object.keys(dataset.inputs);
  for (let from = 0; from < dataset.size; from += size) {
    stopIfAborted(lab.signal);
    const count = Math.min(size, dataset.size - from);
    const indices = Int32Array.from({ length: fixedA ?? fixedB ?? count }, (_, i) => from + Math.min(i, count - 1));
    const feeds = feedsOf(dataset, indices);
    const [own, other] = [
      await left.run(feeds, undefined, lab.signal),
      await right.run(renamed(feeds, port, right.inputs), undefined, lab.signal),
    ];
    for (const [x, y] of [...outputs, ...inner.map(({ value }) => [value, value] as const)]) {
      add(tallies, x, own[x], other[y], indices.length, count);
    }
    lab.onProgress?.({ task: 'compare', done: from + count, total: dataset.size });
  }
  const distance = (name: string): Distance => distanceOf(name, tallies.get(name));
  return {
    outputs: outputs.map(([name]) => distance(name)),
    layers: inner
      .filter(({ value }) => tallies.has(value))
      .map(({ value, op, node }) => {
        const { top1Agreement: _, ...figures } = distance(value);
        return { ...figures, name: node, op };
      }),
    samples: dataset.size,
  };
}

/** Names of the outputs of both, in the order of the first. */
function pairOutputs(a: Graph, b: Graph): [string, string][] {
  const names = new Set(b.outputs.map(({ name }) => name));
  return a.outputs.flatMap(({ name }, i): [string, string][] => {
    const partner = names.has(name) ? name : b.outputs[i]?.name;
    return partner === undefined ? [] : [[name, partner]];
  });
}

function sharedValues(a: Graph, b: Graph): { value: string; op: string; node: string }[] {
  const made = new Set(b.nodes.flatMap(({ outputs }) => outputs));
  const outer = new Set([...a.outputs, ...b.outputs].map(({ name }) => name));
  return a.nodes.flatMap(({ name, op, outputs }) =>
    outputs
      .filter((value) => value !== '' && made.has(value) && !outer.has(value))
      .map((value) => ({ value, op, node: name || value })),
  );
}

/** The model with these inner values among its outputs. */
const exposing = (model: Model, values: readonly string[]): Model => ({
  ...model,
  graph: { ...model.graph, outputs: [...model.graph.outputs, ...values.map((name) => ({ name }))] },
});

/** The feeds under the other model's names and in its types, where those differ. */
const renamed = (
  feeds: Readonly<Record<string, Tensor>>,
  from: readonly string[],
  to: readonly Port[],
): Record<string, Tensor> =>
  Object.fromEntries(
    to.flatMap(({ name, dtype }, i) => {
      const fed = feeds[name] ?? feeds[from[i]!];
      if (!fed) return [];
      return [[name, dtype === undefined || fed.dtype === dtype ? fed : cast(fed, dtype)]];
    }),
  );

function cast(given: Tensor, dtype: DType): Tensor {
  const made = zeros(dtype, given.dims);
  recast(elements(given), given.dtype, elements(made), dtype);
  return made;
}

function add(
  tallies: Map<string, Tally>,
  name: string,
  a: Tensor | undefined,
  given: Tensor | undefined,
  rows: number,
  count: number,
): void {
  if (!a || !given || a.dtype === 'string' || given.dtype === 'string') return;
  const b = withoutZeros(given, a.dims) ?? given;
  const tally = tallies.get(name) ?? { maxAbs: 0, dot: 0, normA: 0, normB: 0, gap: 0, same: 0, rows: 0, isRows: false };
  tallies.set(name, tally);
  if (a.dims.join() !== b.dims.join()) {
    tally.differs ??= `[${a.dims.join(', ')}] and [${b.dims.join(', ')}]`;
    return;
  }
  const hasRows = a.dims[0] === rows;
  const [x, y] = [numbers(a), numbers(b)];
  const length = hasRows ? (x.length / rows) * count : x.length;
  for (let i = 0; i < length; i++) {
    const [p, q] = [x[i]!, y[i]!];
    const gap = Math.abs(q - p);
    if (!(gap <= tally.maxAbs)) tally.maxAbs = gap;
    tally.gap += gap * gap;
    tally.dot += p * q;
    tally.normA += p * p;
    tally.normB += q * q;
  }
  const width = x.length / rows;
  if (!hasRows || width < 2 || !isFloat(a.dtype) || a.dims.slice(2).some((dim) => dim !== 1)) return;
  const answers = (values: number[]) => answersOf(values.slice(0, length), width, scaleOf(values, width));
  const other = answers(y);
  tally.isRows = true;
  tally.rows += count;
  answers(x).forEach((answer, i) => {
    if (answer === other[i]) tally.same += 1;
  });
}

/** The value with no more channels (axis 1) than `dims`, where those beyond hold zeros that fill up a kernel's lanes; undefined where that is not so. */
function withoutZeros(value: Tensor, dims: readonly number[]): Tensor | undefined {
  const [C, all] = [dims[1] ?? 0, value.dims[1] ?? 0];
  const isWider = all > C && dims.length > 2 && value.dtype === 'float32';
  if (!isWider || value.dims.some((dim, i) => i !== 1 && dim !== dims[i])) return undefined;
  const x = floats(value);
  const [own, stride] = [(C * x.length) / dims[0]! / all, x.length / dims[0]!];
  const kept = new Float32Array(dims[0]! * own);
  for (let n = 0; n < dims[0]!; n++) {
    const sample = x.subarray(n * stride, (n + 1) * stride);
    if (sample.subarray(own).some((entry) => entry !== 0)) return undefined;
    kept.set(sample.subarray(0, own), n * own);
  }
  return float32(dims, kept);
}

function distanceOf(name: string, tally: Tally | undefined): Distance {
  if (!tally || tally.differs !== undefined) {
    const differs = tally?.differs ?? 'no numbers';
    return { name, maxAbs: Number.NaN, relL2: Number.NaN, cosine: Number.NaN, differs };
  }
  const { maxAbs, gap, dot, normA, normB, isRows, same, rows } = tally;
  const isSame = gap === 0;
  return {
    name,
    maxAbs,
    relL2: isSame ? 0 : Math.sqrt(gap / normA),
    cosine: isSame ? 1 : Math.max(-1, Math.min(1, dot / Math.sqrt(normA * normB))),
    ...(isRows && { top1Agreement: same / rows }),
  };
}
