/** The ways of sending slopes, by name. A new one is a file and a row. */

import { PareError } from '../../base/error.ts';
import { pick } from '../../base/suggest.ts';
import { parseShare } from '../../base/unit.ts';
import type { Compression } from './compression.ts';
import { fp16 } from './fp16.ts';
import { topK } from './top-k.ts';

export { type Compression, plainBytes, type RunningCompression } from './compression.ts';
export { fp16 } from './fp16.ts';
export { topK } from './top-k.ts';

/** Each is told what stands behind its name and a colon. */
export const compressions = {
  fp16: (how?: string): Compression => {
    if (how === undefined) return fp16();
    throw new PareError('parallel/compress', 'fp16 has no settings.', { expected: 'fp16', got: `fp16:${how}` });
  },
  topk: (how?: string): Compression => topK(how === undefined ? undefined : parseShare(how, 'topk')),
} as const;

/**
 * `fp16`, `topk` or `topk:1%` as what it names.
 *
 * Throws   option/unknown for another name; option/share, parallel/compress for a setting that it does not take.
 */
export function parseCompression(word: string): Compression {
  const [name = '', how] = word.split(/:(.*)/s);
  return pick(compressions, name, 'gradient compression')(how);
}
