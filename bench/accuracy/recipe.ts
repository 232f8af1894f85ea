/** A recipe: data, network, optimiser and budget; what `main.ts` runs with three seeds, and a peer trains alike. */

import type { Dataset } from '../../src/data/index.ts';
import type { Model } from '../../src/graph/model.ts';
import type { Metric, Optimizer } from '../../src/train/index.ts';

export interface Recipe {
  readonly name: string;
  /** The folder or file in $PARE_DATA that it needs. */
  readonly needs: string;
  /** Nothing of `test` is seen before the end. */
  open(folder: string): Promise<{ train: Dataset; test: Dataset }>;
  model(data: Dataset, seed: number): Model;
  readonly epochs: number;
  readonly batch: number;
  /** Adam at this peak, falling along half a cosine, unless `optimizer` says otherwise. */
  readonly lr: number;
  readonly optimizer?: (steps: number) => Optimizer;
  /** The training set as it is shown. */
  augment?(train: Dataset, seed: number): Dataset;
  /** Default: the task's own. */
  readonly metric?: Metric;
  /** The network's name in bench/peers/torch_accuracy.py, and what it must know. */
  readonly peer: { readonly net: string } & Readonly<Record<string, unknown>>;
}
