/** Network compression: runs of layers as one layer, layers as chains of cheaper ones, weights shared. */

export type { BlockTraining } from './collapse/block-training.ts';
export { type Block, type CollapseOptions, collapse } from './collapse/collapse.ts';
export type { Kind } from './collapse/shape.ts';
export { type FactorizeOptions, factorize } from './factor/factorize.ts';
export { type SchemeName, schemes } from './factor/index.ts';
export type { Rank } from './factor/rank.ts';
export type { CompressReport, Rewrite, Size } from './report.ts';
export { type NarrowOptions, type NarrowReport, storeNarrow } from './share/narrow.ts';
export { type PaletteOptions, type PaletteReport, sharePalette } from './share/palette.ts';
