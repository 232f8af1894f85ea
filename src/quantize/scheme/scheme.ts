/** What a scheme is: one way to store and compute with fewer bits, from a model and a request to a model and a report. */

import type { Dataset } from '../../data/dataset.ts';
import type { Model } from '../../graph/model.ts';
import type { Lab } from '../../runtime/index.ts';
import type { CalibratorName } from '../calibrate/index.ts';
import type { CorrectionName } from '../correct/index.ts';
import type { GridFormName } from '../grid.ts';
import type { Kept } from '../plan.ts';
import type { TargetName } from '../target.ts';

/** What may be asked of a scheme; each says what it takes beyond data, `exclude` and `maxDrop`. */
export interface Request {
  /** Samples to calibrate on or to learn from. */
  readonly data?: Dataset | undefined;
  /** Samples to judge by, best none of `data`. Default: `data`. */
  readonly judge?: Dataset | undefined;
  /** Bits of a weight. Default: the scheme's. */
  readonly bits?: number | undefined;
  /** How many samples to calibrate on. */
  readonly samples?: number | undefined;
  readonly calibrate?: CalibratorName | undefined;
  /** A weight scale per tensor, not per channel. */
  readonly perTensor?: boolean | undefined;
  /** How the integers of activations lie about 0. Default `u8`. */
  readonly activations?: GridFormName | undefined;
  /** Weights that share a scale, where they lie in blocks. */
  readonly block?: number | undefined;
  /** Even out the channels of neighbouring layers first. */
  readonly equalize?: boolean | undefined;
  /** Move outliers of activations into weights first: α of SmoothQuant. */
  readonly smooth?: number | undefined;
  readonly biasCorrect?: CorrectionName | undefined;
  /** Updates for each layer or block where rounding is learnt. */
  readonly iterations?: number | undefined;
  /** Passes over the data, where the network learns. */
  readonly epochs?: number | undefined;
  /** Peak learning rate. */
  readonly lr?: number | undefined;
  /** How weights are rounded, by name; the scheme has the table. */
  readonly round?: string | undefined;
  /** Blocks in operators of standard ONNX alone. */
  readonly standard?: boolean | undefined;
  /** Embedding tables in blocks too. */
  readonly embeddings?: boolean | undefined;
  /** Node names, names of their first output, or op types that stay in floats. */
  readonly exclude?: readonly string[] | undefined;
  /** Quantise products of two computed values, as in attention. */
  readonly products?: boolean | undefined;
  /** Where the model will run. Default: here. */
  readonly target?: TargetName | undefined;
  /** Pairs that engines fuse, or integer operators. Default `qdq`. */
  readonly format?: 'qdq' | 'qoperator' | undefined;
  /** Most bytes of the file (static). */
  readonly maxBytes?: number | undefined;
  /** Most milliseconds of one sample on one thread of this machine (static). */
  readonly maxMs?: number | undefined;
  /** Integer kernels everywhere, or only where they are faster here. Default: measured for models that run here. */
  readonly kernels?: 'all' | 'measured' | undefined;
  /** Keep weights safe for processors that add 8-bit products in 16 bits, whatever this one does. */
  readonly portable?: boolean | undefined;
  /** The most that may be lost, as a share of the metric. */
  readonly maxDrop?: number | undefined;
}

/** What only some schemes take. */
export type Wish = Exclude<keyof Request, 'data' | 'judge' | 'exclude' | 'maxDrop'>;

export interface Answer {
  readonly model: Model;
  /** Such as "int8 static, u8 activations (minmax), s8 weights of 8 bits per channel". */
  readonly scheme: string;
  /** Nodes that were quantised. */
  readonly quantized: number;
  /** What stayed in floats, and why. */
  readonly kept: readonly Kept[];
  /** What else the scheme has to say, by name. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface Scheme {
  /** One line, for lists of choices. */
  readonly about: string;
  /** What its samples are for; absent when it needs none. */
  readonly needsData?: string;
  /** The wishes that it reads. */
  readonly takes: readonly Wish[];
  readonly run: (model: Model, request: Request, lab: Lab) => Promise<Answer>;
}
