/** A segment of an arena summed over the ranks, and a few numbers along with it: one message, where it can be one. */

import type { Arena } from '../train/index.ts';
import type { Collective } from './collective.ts';
import type { RunningCompression } from './compress/index.ts';

/** Sums what lies in a segment, in place, and answers with the sums of `along`. */
export type SumAlong = (along: readonly number[]) => Promise<number[]>;

/** The numbers along lie in the padding behind the segment; `compression` takes the segment alone. */
export function sumAlong(
  arena: Arena,
  slot: string,
  collective: Collective,
  compression: RunningCompression | undefined,
): SumAlong {
  const segment = arena.segment(slot);
  return async (along) => {
    if (collective.size === 1) return [...along];
    const message = new Float32Array(segment.buffer, segment.byteOffset, segment.length + along.length);
    const tail = message.subarray(segment.length);
    tail.set(along);
    if (compression) await compression.allReduce(segment);
    await collective.allReduce(compression ? tail : message);
    return [...tail];
  };
}
