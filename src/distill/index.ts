/** Distillation: recorded or live teachers, losses, and the training that uses them. */

export { withAdapters } from './adapter.ts';
export { type Cached, type CacheOptions, cached, recordingBytes } from './cache.ts';
export { type ChosenLoss, chooseLoss } from './choose-loss.ts';
export { type DistillOptions, distill, type FeatureOptions, type OutputLoss } from './distill.ts';
export * from './loss/index.ts';
export type { Keep } from './packing.ts';
export { namedPairs, pairsOf } from './pairs.ts';
export { type Recorded, type Recording, type RecordOptions, record, withTeacher } from './record.ts';
export { type SelfDistillOptions, selfDistill } from './self-distill.ts';
export { frozenTeacher, type Teacher } from './teacher.ts';
