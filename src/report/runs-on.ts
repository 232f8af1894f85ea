/** Runs models of one kind on the same few samples, so that their outputs can be compared. */

import type { Dataset } from '../data/index.ts';
import { fixedBatch } from '../data/port.ts';
import type { Model } from '../graph/model.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Lab } from '../runtime/lab.ts';
import { loadModel } from '../runtime/load-model.ts';
import { feedsOf } from './feeds.ts';
import { randomRun } from './random-feeds.ts';

export interface RunsOnOptions {
  /** Samples to run on. Default: random ones. */
  readonly data?: Dataset | undefined;
  /** How many, unless the model insists. Default 4. */
  readonly batch?: number;
  /** Lengths of open axes of random inputs, by symbol. */
  readonly dims?: Readonly<Record<string, number>>;
}

/**
 * Runs models like this one on the same few samples: of the data set, or random ones. All outputs by name.
 *
 * Throws   data/port for inputs that random numbers cannot feed; engine/… from the runs.
 */
export function runsOn(
  like: Model,
  lab: Lab,
  { data, batch = 4, dims = {} }: RunsOnOptions = {},
): (model: Model) => Promise<Record<string, Tensor>> {
  const size = fixedBatch(like.graph) ?? batch;
  let feeds =
    data &&
    feedsOf(
      data,
      Array.from({ length: size }, (_, i) => i % data.size),
    );
  return async (model) => {
    using session = await loadModel(lab.engine, model, {
      ...(lab.threads !== undefined && { threads: lab.threads }),
      optimize: 'basic',
    });
    if (feeds) return session.run(feeds, undefined, lab.signal);
    const first = await randomRun(session, like.graph, size, lab, dims);
    feeds = first.feeds;
    return first.outputs;
  };
}
