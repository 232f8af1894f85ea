/** Model → a file on disk, weights beside it when they are many. Node only. */

import { PareError } from '../base/error.ts';
import type { Graph, Model } from '../graph/model.ts';
import { type Tensor, tensorBytes } from '../graph/tensor.ts';
import { disk } from './disk.ts';
import type { Place } from './external.ts';
import { originOf } from './origin.ts';
import { type Saving, sized } from './tensor-write.ts';
import { encode, encodePieces, MAX_MESSAGE, measure } from './wire-write.ts';
import { putModel } from './write.ts';

export interface WriteOptions {
  /** A model of more bytes keeps its weights in `<name>.onnx_data` beside it. Default 1 GB; at most 2 GB. */
  readonly externalAboveBytes?: number;
  /**
   * Unchanged weights that already lie in a file in the target's folder (a data file, or the large model that was read)
   * stay there, and the new model refers to that file. Off by default: the new model then does not depend on another one's file.
   */
  readonly shareData?: boolean;
}

/** A file that was written. */
export interface WrittenFile {
  readonly path: string;
  readonly bytes: number;
}

/** Smaller tensors stay in the model: ONNX's own tools draw the line here. */
const SMALL = 1024;
/** Large tensors begin at a memory page of any system (64 kB on Windows), so that engines can map them. */
const PAGE = 65_536;
const PAGED_FROM = 2 ** 20;
const ALIGN = 64;

/**
 * Writes the model, all or nothing: into a temporary file beside the target, flushed, then renamed.
 *
 * Returns  the files written, the model first.
 * Throws   file/unwritable; onnx/too-large when even without weights more than 2 GB remain; what writeModel throws.
 */
export async function writeModelFile(file: string, model: Model, options: WriteOptions = {}): Promise<WrittenFile[]> {
  const { path } = disk();
  const folder = path.resolve(path.dirname(file));
  const location = dataName(path.basename(file));
  const data = path.join(folder, location);
  // A place in a file that is about to be replaced is no place to stay.
  const replaced = new Set([path.resolve(file), data]);
  const mayShare = (place: Place): boolean =>
    options.shareData === true &&
    place.path !== undefined &&
    place.path === path.resolve(folder, place.location) &&
    !replaced.has(place.path);
  const inside: Saving = { placed: new Map(), mayShare };
  const limit = Math.min(options.externalAboveBytes ?? 1e9, MAX_MESSAGE);

  const size = measure((sink) => putModel(sink, model, inside));
  if (size <= limit) {
    const write = async (put: Put): Promise<void> => {
      for (const piece of encodePieces((sink) => putModel(sink, model, inside))) await put(piece);
    };
    await replaceFiles([{ path: file, write }]);
    return [{ path: file, bytes: size }];
  }

  const { placed, size: dataSize } = arrange(model.graph, location, mayShare);
  const bytes = encode((sink) => putModel(sink, model, { placed, mayShare }));
  // The data first: a model that is already there never refers to a file that is not.
  await replaceFiles([
    { path: data, write: (put) => putData(placed, put) },
    { path: file, write: (put) => put(bytes) },
  ]);
  return [
    { path: file, bytes: bytes.length },
    { path: data, bytes: dataSize },
  ];
}

/** "model.onnx" → "model.onnx_data", the name that exporters use. */
const dataName = (name: string): string => (/\.onnx$/i.test(name) ? `${name}_data` : `${name}.onnx_data`);

/** A place for each large weight, sub-graphs included; a tensor that occurs twice is stored once. */
function arrange(
  graph: Graph,
  location: string,
  mayShare: Saving['mayShare'],
): { placed: Map<Tensor, Place>; size: number } {
  const placed = new Map<Tensor, Place>();
  let size = 0;
  for (const tensor of weightsOf(graph)) {
    const length = tensorBytes(tensor);
    const old = originOf(tensor)?.place;
    if (length < SMALL || tensor.dtype === 'string' || placed.has(tensor) || (old && mayShare(old))) continue;
    const step = length >= PAGED_FROM ? PAGE : ALIGN;
    const offset = Math.ceil(size / step) * step;
    placed.set(tensor, { location, offset, length });
    size = offset + length;
  }
  return { placed, size };
}

function* weightsOf(graph: Graph): Generator<Tensor> {
  yield* graph.initializers.values();
  for (const node of graph.nodes) {
    for (const attr of Object.values(node.attrs)) {
      const inner = attr.kind === 'graph' ? [attr.value] : attr.kind === 'graphs' ? attr.value : [];
      for (const sub of inner) yield* weightsOf(sub);
    }
  }
}

type Put = (bytes: Uint8Array) => Promise<void>;

/** The weights in the order of their places; each piece is let go before the next is read. */
async function putData(placed: ReadonlyMap<Tensor, Place>, put: Put): Promise<void> {
  let at = 0;
  for (const [tensor, { location, offset }] of placed) {
    if (offset > at) await put(new Uint8Array(offset - at));
    for (const piece of sized(location, tensor)) await put(piece);
    at = offset + tensorBytes(tensor);
  }
}

interface Replacement {
  readonly path: string;
  readonly write: (put: Put) => Promise<void>;
}

/** Writes all files under temporary names, and renames them when all are safely on disk. */
async function replaceFiles(files: readonly Replacement[]): Promise<void> {
  const { fs } = disk();
  const temporary = files.map(({ path }) => `${path}.${process.pid}-${Math.random().toString(36).slice(2, 8)}.tmp`);
  let at = files[0]!.path;
  try {
    for (const [i, { path, write }] of files.entries()) {
      at = path;
      const handle = await fs.promises.open(temporary[i]!, 'wx');
      try {
        await write(async (bytes) => {
          for (let done = 0; done < bytes.length; ) {
            done += (await handle.write(bytes, done, Math.min(bytes.length - done, 2 ** 30))).bytesWritten;
          }
        });
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
    for (const [i, { path }] of files.entries()) {
      at = path;
      await fs.promises.rename(temporary[i]!, path);
    }
  } catch (cause) {
    for (const path of temporary) await fs.promises.rm(path, { force: true });
    if (cause instanceof PareError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new PareError('file/unwritable', `"${at}" cannot be written: ${why}.`, { where: at, cause });
  }
}
