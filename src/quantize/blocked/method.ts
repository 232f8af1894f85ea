/** How weights in blocks get their codes: from a matrix, and for some from what it multiplies, to codes and scales. */

import type { BlockShape, Blocks } from '../blocks.ts';

export interface BlockedMethod {
  /** One line, for lists of choices. */
  readonly about: string;
  /** Looks at samples: the second moments of what the layer reads. */
  readonly needsMoments: boolean;
  /** Inputs are scaled first, so that the weights that matter get finer grids. */
  readonly scalesInputs?: true;
  /** Codes symmetric about 0 unless the caller says otherwise. */
  readonly isSymmetric: boolean;
  /**
   * Shapes   w [K, N]; moments [K, K], the mean of x·xᵀ, present where `needsMoments` is true.
   */
  readonly run: (w: Float32Array, shape: BlockShape, isSymmetric: boolean, moments?: Float64Array) => Blocks;
}
