/** How close two models answer on the same samples: the first is recorded once, others are held against the record. */

import type { Dataset } from '../data/dataset.ts';
import { fixedBatch } from '../data/port.ts';
import type { Model } from '../graph/model.ts';
import { floats, sizeOf, type Tensor } from '../graph/tensor.ts';
import { answerOf } from '../nn/logits.ts';
import { widened } from '../rewrite/widen.ts';
import { inOrder, type Lab, lanesOf, type Session, stopIfAborted } from '../runtime/index.ts';
import { loadModel } from '../runtime/load-model.ts';
import { placesWithin, rowsAt } from '../train/places.ts';
import { CALM } from './calm.ts';
import { feedsFor } from './observe.ts';

export interface Agreement {
  /** Cosine of the angle between all outputs of the one and of the other, the worst output of the model. */
  readonly cosine: number;
  /** Σ (a − b)² / Σ a², the worst output. */
  readonly noise: number;
  /** KL divergence of the first output's rows (their softmax, unless they are shares already), mean; undefined when it has no rows of scores. */
  readonly divergence?: number;
  /** Share of rows of the first output whose largest entry is the same, a row for each place of a sequence or a map; undefined when it has no rows of scores. */
  readonly sameTop?: number;
  readonly samples: number;
}

export interface Compared extends Agreement {
  /** For each row the place of the largest entry of the first output, of the one model and of the other. */
  readonly tops: readonly (readonly [number, number])[];
  /** KL divergence of each row; none when there are no rows of scores. */
  readonly divergences: readonly number[];
}

/** What a model answered. */
export interface Recorded {
  readonly batches: readonly { readonly feeds: Record<string, Tensor>; readonly outputs: Record<string, Tensor> }[];
  /** The output whose rows are compared. */
  readonly first: string;
}

/** Samples of a run. */
export const AT_ONCE = 8;

/** Runs a model on these samples and keeps inputs and outputs: few samples, please. Outputs that are no floats are left out. */
export async function record(model: Model, data: Dataset, samples: ArrayLike<number>, lab: Lab): Promise<Recorded> {
  const { hands, ...how } = lanesOf(lab);
  using session = await loadModel(lab.engine, model, { ...how, config: CALM });
  const runs = inOrder(listsFor(model, samples), hands, {
    ahead: (indices) => data.prepare?.(indices),
    async work(indices) {
      stopIfAborted(lab.signal);
      const feeds = feedsFor(model.graph, data, indices);
      return { feeds, outputs: await session.run(feeds) };
    },
  });
  const batches: Recorded['batches'][number][] = [];
  for await (const batch of runs) batches.push(batch);
  return { batches, first: answerOf(model.graph) };
}

/** Numbers of the samples of each run; a model with a fixed batch gets no others than fill it. */
function listsFor({ graph }: Model, samples: ArrayLike<number>): number[][] {
  const fixed = fixedBatch(graph);
  const batch = fixed ?? AT_ONCE;
  const lists: number[][] = [];
  for (let at = 0; at + (fixed ?? 1) <= samples.length; at += batch)
    lists.push(Array.from({ length: Math.min(batch, samples.length - at) }, (_, i) => samples[at + i]!));
  return lists;
}

/** Holds a model against a record. It must take the same inputs. */
export async function against(recorded: Recorded, other: Model, lab: Lab): Promise<Compared> {
  const { hands: _, ...how } = lanesOf(lab);
  using session = await loadModel(lab.engine, other, { ...how, config: CALM });
  return await againstLoaded(recorded, session, lab);
}

/** As `against` with a model that is loaded already. */
async function againstLoaded({ batches, first }: Recorded, session: Session, lab: Lab): Promise<Compared> {
  const tally = new Tally(first);
  const { hands } = lanesOf(lab);
  const answers = inOrder(batches.entries(), hands, {
    async work([i, { feeds }]) {
      stopIfAborted(lab.signal);
      return { i, answer: await session.run(feeds) };
    },
  });
  for await (const { i, answer } of answers) tally.add(batches[i]!.outputs, answer);
  return tally.result();
}

/** Runs both models on these samples, batch by batch: nothing is kept. */
export async function compare(
  reference: Model,
  other: Model,
  data: Dataset,
  samples: ArrayLike<number>,
  lab: Lab,
): Promise<Compared> {
  const { hands: _, ...how } = lanesOf(lab);
  using session = await loadModel(lab.engine, other, { ...how, config: CALM });
  return await compareLoaded(reference, session, data, samples, lab);
}

async function compareLoaded(
  reference: Model,
  two: Session,
  data: Dataset,
  samples: ArrayLike<number>,
  lab: Lab,
): Promise<Compared> {
  const tally = new Tally(answerOf(reference.graph));
  const { hands, ...how } = lanesOf(lab);
  using one = await loadModel(lab.engine, reference, { ...how, config: CALM });
  const answers = inOrder(listsFor(reference, samples), hands, {
    ahead: (indices) => data.prepare?.(indices),
    async work(indices) {
      stopIfAborted(lab.signal);
      const feeds = feedsFor(reference.graph, data, indices);
      return [await one.run(feeds), await two.run(feeds)] as const;
    },
  });
  for await (const [wanted, given] of answers) tally.add(wanted, given);
  return tally.result();
}

/** As `compare` with a model that is loaded already, without each sample's answer; what was recorded of the reference is not run again. */
export async function agreement(
  reference: Model,
  two: Session,
  data: Dataset,
  samples: ArrayLike<number>,
  lab: Lab,
  recorded?: Recorded,
): Promise<Agreement> {
  const {
    tops: _,
    divergences: __,
    ...close
  } = recorded ? await againstLoaded(recorded, two, lab) : await compareLoaded(reference, two, data, samples, lab);
  return close;
}

class Tally {
  readonly #first: string;
  readonly #sums = new Map<string, Products>();
  readonly #tops: [number, number][] = [];
  readonly #divergences: number[] = [];
  #samples = 0;

  constructor(first: string) {
    this.#first = first;
  }

  add(x: Readonly<Record<string, Tensor>>, y: Readonly<Record<string, Tensor>>): void {
    const of = (values: Readonly<Record<string, Tensor>>, name: string): Tensor | undefined =>
      values[name] && widened(values[name]);
    for (const name of Object.keys(x)) {
      const value = of(x, name)!;
      if (value.dtype !== 'float32') continue;
      const sums = productsOf(floats(value), floats(of(y, name)!));
      const total = this.#sums.get(name) ?? { ab: 0, aa: 0, bb: 0, dd: 0 };
      this.#sums.set(name, {
        ab: total.ab + sums.ab,
        aa: total.aa + sums.aa,
        bb: total.bb + sums.bb,
        dd: total.dd + sums.dd,
      });
    }
    this.#samples += x[this.#first]?.dims[0] ?? 0;
    const [rows, others] = [rowsOf(of(x, this.#first)), rowsOf(of(y, this.#first))];
    if (rows?.length !== others?.length || !rows || !others) return;
    rows.forEach((row, i) => {
      this.#tops.push([topOf(row), topOf(others[i]!)]);
    });
    // At places there may be more than scores: boxes beside them.
    if (rows.length !== x[this.#first]!.dims[0]) return;
    rows.forEach((row, i) => {
      this.#divergences.push(divergence(row, others[i]!));
    });
  }

  result(): Compared {
    const outputs = [...this.#sums.values()];
    const rows = this.#tops.length;
    const scored = this.#divergences.length;
    return {
      cosine: outputs.reduce(
        (least, s) => Math.min(least, s.aa + s.bb === 0 ? 1 : s.ab / Math.sqrt(s.aa * s.bb || 1)),
        1,
      ),
      noise: outputs.reduce((most, { dd, aa }) => Math.max(most, aa === 0 ? 0 : dd / aa), 0),
      ...(scored > 0 && { divergence: this.#divergences.reduce((a, b) => a + b) / scored }),
      ...(rows > 0 && { sameTop: this.#tops.filter(([a, b]) => a === b).length / rows }),
      tops: this.#tops,
      divergences: this.#divergences,
      samples: this.#samples,
    };
  }
}

/** Sums over all entries of a · b, a², b² and (a − b)². */
interface Products {
  readonly ab: number;
  readonly aa: number;
  readonly bb: number;
  readonly dd: number;
}

/** Of lists as long as what was found (boxes), the longer one goes on against zeros. */
function productsOf(a: Float32Array, b: Float32Array): Products {
  let [ab, aa, bb, dd] = [0, 0, 0, 0];
  const both = Math.min(a.length, b.length);
  for (let i = 0; i < both; i++) {
    const p = a[i]!;
    const q = b[i]!;
    ab += p * q;
    aa += p * p;
    bb += q * q;
    dd += (p - q) * (p - q);
  }
  const squares = (x: Float32Array): number => x.subarray(both).reduce((sum, v) => sum + v * v, 0);
  const [restA, restB] = [squares(a), squares(b)];
  return { ab, aa: aa + restA, bb: bb + restB, dd: dd + restA + restB };
}

/** A row of scores for each sample, or for each place of it; undefined when the tensor is something else. */
function rowsOf(value: Tensor | undefined): Float32Array[] | undefined {
  if (value?.dtype !== 'float32' || value.dims.length < 2) return undefined;
  const [samples, ...dims] = value.dims as [number, ...number[]];
  const places = placesWithin(dims);
  if (!places && dims.slice(1).some((dim) => dim !== 1)) return undefined;
  const count = samples * sizeOf(places?.dims ?? []);
  const x = places ? rowsAt(places, floats(value), new Float32Array(count), samples).rows : floats(value);
  const width = x.length / count;
  return width < 2 ? undefined : Array.from({ length: count }, (_, i) => x.subarray(i * width, (i + 1) * width));
}

function topOf(row: Float32Array): number {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i]! > row[best]!) best = i;
  return best;
}

/** KL(p ‖ q) of two rows of scores; rows that are shares of 1 are taken as they are. */
function divergence(a: Float32Array, b: Float32Array): number {
  const [p, q] = areShares(a) ? [a, b] : [softmax(a), softmax(b)];
  let sum = 0;
  for (let i = 0; i < p.length; i++) if (p[i]! > 0) sum += p[i]! * Math.log(p[i]! / Math.max(q[i]!, 1e-9));
  return sum;
}

const areShares = (row: Float32Array): boolean => {
  const sum = row.reduce((a, b) => a + b, 0);
  return Math.abs(sum - 1) < 1e-3 && row.every((x) => x >= 0);
};

function softmax(row: Float32Array): Float64Array {
  const most = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const e = Float64Array.from(row, (x) => Math.exp(x - most));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((x) => x / sum);
}
