/** How weights in blocks get their codes: from a matrix, and for some from what it multiplies, to codes and scales. */

import type { Product } from '../../linear/matrix.ts';
import type { BlockShape, Blocks } from '../blocks.ts';

export interface BlockedMethod {
  /** One line, for lists of choices. */
  readonly about: string;
  /** Inputs are scaled first by what samples show, so that the weights that matter get finer grids. */
  readonly scalesInputs?: true;
  /** Codes symmetric about 0 unless the caller says otherwise. */
  readonly isSymmetric: boolean;
  /**
   * What it makes of the second moments of what layers read, once for all layers that read the same; absent where it looks at weights alone.
   *
   * Shapes   moments [K, K], the mean of x·xᵀ.
   */
  readonly learn?: (K: number, moments: Float64Array, product: Product) => Promise<Float64Array>;
  /**
   * Shapes   w [K, N]; `learnt` is what `learn` gave, nothing for layers in branches and loops, which nobody can watch.
   */
  readonly run: (
    w: Float32Array,
    shape: BlockShape,
    isSymmetric: boolean,
    learnt: Float64Array | undefined,
    product: Product,
  ) => Blocks | Promise<Blocks>;
}
