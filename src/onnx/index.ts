/** Bytes ⇄ Model: the only room that knows protobuf. */

export type { ReadExternal } from './external.ts';
export { nodeOps } from './node-ops.ts';
export { type ReadOptions, readModel } from './read.ts';
export { readModelFile } from './read-file.ts';
export { readTensorProto, writeTensorProto } from './tensor-proto.ts';
export { modelBytes, modelPieces, writeModel } from './write.ts';
export { type WriteOptions, type WrittenFile, writeModelFile } from './write-file.ts';
