/** The smallest share of a model's MACs whose score is still good enough, by bisection. */

import { showShare } from '../base/unit.ts';
import type { Model } from '../graph/model.ts';
import { type Lab, stopIfAborted } from '../runtime/index.ts';

export interface DropBound {
  readonly original: Model;
  /** How far below the original's the score may lie. */
  readonly most: number;
  /** Higher is better. */
  readonly score: (model: Model) => Promise<number>;
}

/** Trials: the share is then known to a sixteenth of what was open. */
const TRIALS = 4;
/** Nobody expects less to stay. */
const LEAST = 0.1;

/** What `make` made at the smallest share that holds the bound; undefined when no trial did. Each trial is told (onNote). */
export async function withinDrop<Made extends { readonly model: Model }>(
  make: (share: number) => Promise<Made>,
  { original, most, score }: DropBound,
  lab: Lab,
): Promise<Made | undefined> {
  const floor = (await score(original)) - most;
  let [low, high] = [LEAST, 1];
  let best: Made | undefined;
  for (let trial = 0; trial < TRIALS; trial++) {
    stopIfAborted(lab.signal);
    const share = (low + high) / 2;
    const made = await make(share);
    const got = await score(made.model);
    const holds = got >= floor;
    lab.onNote?.(
      `with ${showShare(share, 0)} of the MACs the score is ${showShare(got)}, ${holds ? 'within' : 'beyond'} the bound`,
    );
    if (holds) [best, high] = [made, share];
    else low = share;
  }
  return best;
}
