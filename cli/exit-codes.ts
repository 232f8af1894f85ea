/** What the program ends with: one number per kind of outcome, so that scripts can tell them apart. */

export const EXIT = {
  done: 0,
  failure: 1,
  usage: 2,
  missedBound: 3,
  device: 4,
  network: 5,
  unsupported: 6,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Error codes by themselves, or a room's with a star; the first that fits decides. */
const TABLE: readonly (readonly [pattern: string, exit: ExitCode])[] = [
  ['work/aborted', EXIT.interrupted],
  ['data/network', EXIT.network],
  // what the engine or this version cannot do with an otherwise good file
  ['engine/missing', EXIT.device],
  ['engine/device', EXIT.device],
  ['engine/load', EXIT.unsupported],
  ['engine/type', EXIT.unsupported],
  ['op/*', EXIT.unsupported],
  ['grad/*', EXIT.unsupported],
  ['onnx/dtype', EXIT.unsupported],
  ['quantize/nothing', EXIT.unsupported],
  ['prune/nothing', EXIT.unsupported],
  ['distill/live', EXIT.unsupported],
  ['distill/shape', EXIT.unsupported],
  ['train/nothing', EXIT.unsupported],
  ['*/unsupported', EXIT.unsupported],
  // what the user gave: words, settings, files, shapes
  ['usage/*', EXIT.usage],
  ['config/*', EXIT.usage],
  ['option/*', EXIT.usage],
  ['recipe/*', EXIT.usage],
  ['file/*', EXIT.usage],
  ['network/*', EXIT.usage],
  ['data/*', EXIT.usage],
  ['onnx/too-large', EXIT.failure],
  ['onnx/*', EXIT.usage],
  ['graph/*', EXIT.usage],
  ['shape/*', EXIT.usage],
  ['tensor/size', EXIT.usage],
  ['engine/feed', EXIT.usage],
  ['prune/data', EXIT.usage],
  ['parallel/no-mpi', EXIT.device],
  ['parallel/mpi', EXIT.failure],
  ['parallel/mismatch', EXIT.failure],
  ['parallel/rank-lost', EXIT.failure],
  ['parallel/*', EXIT.usage],
  ['compress/*', EXIT.usage],
  ['distill/*', EXIT.usage],
  ['train/exists', EXIT.usage],
  ['train/resume', EXIT.usage],
  ['train/batch', EXIT.usage],
  ['train/shape', EXIT.usage],
  ['train/accumulate', EXIT.usage],
  ['train/checkpoint', EXIT.usage],
  ['quantize/range', EXIT.usage],
  ['quantize/weight', EXIT.usage],
  ['quantize/bits', EXIT.usage],
  ['quantize/block', EXIT.usage],
  ['quantize/data', EXIT.usage],
  ['engine/option', EXIT.usage],
  ['optim/parameter', EXIT.usage],
];

/**
 * The number for an error by its code; 1 for a fault of ours and for all that is not listed.
 *
 * @example
 * exitCodeOf('onnx/truncated') // 2
 */
export function exitCodeOf(code: string): ExitCode {
  const [room, what] = code.split('/');
  const fits = (pattern: string): boolean => {
    const [wantedRoom, wantedWhat] = pattern.split('/');
    return (wantedRoom === '*' || wantedRoom === room) && (wantedWhat === '*' || wantedWhat === what);
  };
  return TABLE.find(([pattern]) => fits(pattern))?.[1] ?? EXIT.failure;
}
