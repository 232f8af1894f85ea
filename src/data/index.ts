/** Data: sets of samples, how they are cut into parts and batches, and where they come from. */

export { type ArrayOptions, fromArrays } from './arrays.ts';
export { type AugmentOptions, augment, type ImageSize, type ImageTransform } from './augment.ts';
export { type BatchOptions, batchCount, batches, type OrderOptions, order } from './batches.ts';
export { blend } from './blend.ts';
export { fromCsv, readTable } from './csv.ts';
export {
  batchDims,
  type Column,
  classesOf,
  type Dataset,
  type InMemory,
  inMemory,
  LABELS,
  type Stored,
  type Task,
} from './dataset.ts';
export { decodeImage } from './decode.ts';
export { GLYPHS, type GlyphOptions, glyphs } from './glyphs.ts';
export { type NdArray, readIdx } from './idx.ts';
export { openIdxFolder } from './idx-folder.ts';
export { openImageFolder } from './image-folder.ts';
export { colour, erase, flip, rotate, shiftCrop, zoom } from './image-transforms.ts';
export { type KnownOptions, openKnown } from './known.ts';
export { cutmix, type MixOptions, mixup } from './mix.ts';
export { type NoiseOptions, noise } from './noise.ts';
export { readNpy, readNpz } from './npy.ts';
export { type Pixels, resize } from './pixels.ts';
export { bind, type Port, portsOf, sampleDimsOf } from './port.ts';
export { type ImageOptions, type Layout, PRESETS, type PresetName } from './preprocess.ts';
export { randAugment } from './rand-augment.ts';
export { reconstruct } from './reconstruct.ts';
export { readSafetensors } from './safetensors.ts';
export { settingOf } from './setting.ts';
export { type Data, type DataOptions, ENCODING, openData, withTest } from './spec.ts';
export { fromTable, type SplitTableOptions, type TableSplits } from './split-table.ts';
export { type Spread, spreadOf } from './spread.ts';
export { type FileArray, type FileColumn, type Streamed, streamed } from './streamed.ts';
export { type SplitOptions, type Splits, split, subset, take } from './subset.ts';
export { encodeTable, featuresOf, fitTable, type Table, type TableEncoding, type TableOptions } from './table.ts';
export { fitText, type TextEncoding, type TextOptions, textEncoder } from './text.ts';
export { fromSeries, type SeriesEncoding } from './time-series.ts';
export { type WindowOptions, windows } from './windows.ts';
