/** How close two models answer on the same samples. */

import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import { floats, type Tensor } from '../graph/tensor.ts';
import { writeModel } from '../onnx/write.ts';
import { type Lab, stopIfAborted } from '../runtime/index.ts';
import { feedsFor, fixedBatch } from './observe.ts';

export interface Agreement {
  /** Cosine of the angle between all outputs of the one and of the other, the worst output of the model. */
  readonly cosine: number;
  /** Σ (a − b)² / Σ a², the worst output. */
  readonly noise: number;
  /** Share of rows of the first output whose largest entry is the same; undefined when rows have one entry. */
  readonly sameTop?: number;
  readonly samples: number;
}

/** Runs both models on these samples. Outputs that are not float32 are left out. */
export async function agreement(
  reference: Model,
  other: Model,
  data: Dataset,
  samples: ArrayLike<number>,
  lab: Lab,
): Promise<Agreement> {
  const { tops: _, ...close } = await compare(reference, other, data, samples, lab);
  return close;
}

export interface Compared extends Agreement {
  /** For each sample the place of the largest entry of the first output, of the one model and of the other. */
  readonly tops: readonly (readonly [number, number])[];
}

/** As `agreement`, with each sample's answer. */
export async function compare(
  reference: Model,
  other: Model,
  data: Dataset,
  samples: ArrayLike<number>,
  lab: Lab,
): Promise<Compared> {
  const options = lab.threads === undefined ? {} : { threads: lab.threads };
  using a = await lab.engine.load(writeModel(reference), options);
  using b = await lab.engine.load(writeModel(other), options);
  const batch = fixedBatch(reference.graph) ?? 8;
  const sums = new Map<string, Sums>();
  const all: [number, number][] = [];
  let seen = 0;
  for (let at = 0; at < samples.length; at += batch) {
    stopIfAborted(lab.signal);
    const indices = Array.from({ length: Math.min(batch, samples.length - at) }, (_, i) => samples[at + i]!);
    if (fixedBatch(reference.graph) && indices.length < batch) break;
    const feeds = feedsFor(reference.graph, data, indices);
    const [x, y] = [await a.run(feeds), await b.run(feeds)];
    for (const [name, value] of Object.entries(x)) {
      if (value.dtype !== 'float32') continue;
      const total = sums.get(name) ?? { ab: 0, aa: 0, bb: 0, dd: 0 };
      add(total, floats(value), floats(y[name]!));
      sums.set(name, total);
    }
    const first = reference.graph.outputs[0]!.name;
    const [top, second] = [topsOf(x[first]!, indices.length), topsOf(y[first]!, indices.length)];
    if (top && second) for (const [i, place] of top.entries()) all.push([place, second[i]!]);
    seen += indices.length;
  }
  const outputs = [...sums.values()];
  return {
    cosine: outputs.reduce(
      (least, { ab, aa, bb }) => Math.min(least, aa + bb === 0 ? 1 : ab / Math.sqrt(aa * bb || 1)),
      1,
    ),
    noise: outputs.reduce((most, { dd, aa }) => Math.max(most, aa === 0 ? 0 : dd / aa), 0),
    ...(all.length > 0 && { sameTop: all.filter(([a, b]) => a === b).length / all.length }),
    tops: all,
    samples: seen,
  };
}

interface Sums {
  ab: number;
  aa: number;
  bb: number;
  dd: number;
}

function add(total: Sums, a: Float32Array, b: Float32Array): void {
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    total.ab += x * y;
    total.aa += x * x;
    total.bb += y * y;
    total.dd += (x - y) ** 2;
  }
}

/** The place of the largest entry of each sample, when every sample is one row of scores. */
function topsOf(value: Tensor, samples: number): number[] | undefined {
  if (value.dtype !== 'float32' || value.dims[0] !== samples) return undefined;
  const x = floats(value);
  const width = x.length / samples;
  const isRow = value.dims.slice(2).every((dim) => dim === 1);
  if (width < 2 || !isRow) return undefined;
  return Array.from({ length: samples }, (_, i) => {
    let best = i * width;
    for (let j = best + 1; j < (i + 1) * width; j++) if (x[j]! > x[best]!) best = j;
    return best - i * width;
  });
}
