/** Unstructured and N:M zeros. */

export { type Masks, withMasks, withoutMasks } from './masked.ts';
export { keepStrongest, type Pattern, parsePattern, showPattern, zerosOf } from './pattern.ts';
export {
  gzipBytes,
  type Sparse,
  type SparseReport,
  type SparsifierName,
  type SparsifyOptions,
  sparsifiers,
  sparsify,
} from './sparsify.ts';
