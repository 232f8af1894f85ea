/** Ways of sharing the work that do not go together. */

import { PareError } from '../base/error.ts';
import type { ParallelTrainerOptions } from './trainer.ts';

/** Is it asked for, in words? */
const WORDS = {
  tensor: ({ tensor = 1 }) => tensor > 1 && `layers split over ${tensor} ranks`,
  shardUpdate: ({ shardUpdate }) => shardUpdate === true && 'a sharded update',
  compress: ({ compress }) => compress !== undefined && `gradients as ${compress.name}`,
  syncEvery: ({ syncEvery }) => syncEvery !== undefined && `a meeting every ${syncEvery} updates`,
  syncNorm: ({ syncNorm }) => syncNorm === true && 'synchronised batch normalisation',
} satisfies Record<string, (options: ParallelTrainerOptions) => string | false>;

/** What is sent whole, or meets, needs ranks that hold the whole model. */
const EXCLUSIVE: readonly (readonly [keyof typeof WORDS, keyof typeof WORDS])[] = [
  ['tensor', 'compress'],
  ['tensor', 'syncEvery'],
  ['tensor', 'syncNorm'],
  ['shardUpdate', 'compress'],
  ['shardUpdate', 'syncEvery'],
];

/** Throws parallel/exclusive for two ways that exclude each other. */
export function checkWays(options: ParallelTrainerOptions): void {
  for (const pair of EXCLUSIVE) {
    const asked = pair.map((way) => WORDS[way](options));
    if (asked.includes(false)) continue;
    throw new PareError('parallel/exclusive', `These do not go together: ${asked.join(', and ')}.`, {
      expected: 'one of them',
      got: asked.join(' and '),
    });
  }
}
