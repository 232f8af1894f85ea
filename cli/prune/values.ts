/** What the verb's flags became. */

import type { ValuesOf } from '../arg.ts';
import type { CommonValues } from '../common-args.ts';
import type { pruneArgs } from '../verb/prune.ts';

export type PruneValues = ValuesOf<typeof pruneArgs> & CommonValues & { readonly model: string };
