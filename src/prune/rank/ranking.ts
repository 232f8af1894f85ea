/** Who competes with whom for a place, and by what. */

import type { Dataset } from '../../data/index.ts';
import type { Model } from '../../graph/model.ts';
import type { Lab } from '../../runtime/index.ts';
import type { Need, Slice } from '../criterion/criterion.ts';
import type { Solved } from '../group.ts';

export interface Ranking {
  /** One line for a menu. */
  readonly about: string;
  /** The class of each group: units compete within a class, and each class loses the same share. Default: all units compete. */
  readonly classOf?: (solved: Solved) => readonly string[];
  /** Takes what the criterion says as the order within a group, and measures what the groups cost. */
  readonly trial?: (asked: Asked) => Trial;
}

export interface Asked {
  /** What the criterion must know. */
  readonly needs: readonly Need[];
  readonly data: Dataset | undefined;
  /** Are layers fitted to what stays, once the cut is made? */
  readonly isFitted: boolean;
}

/** Scores that were measured in the place of a criterion's: changes of the loss, comparable across groups. */
export interface Trial {
  readonly needs: readonly Need[];
  /** The samples that the criterion may see. */
  readonly data: Dataset;
  readonly scores: (told: Told, lab: Lab) => Promise<Float64Array[]>;
}

/** What is known when a trial begins. */
export interface Told {
  readonly model: Model;
  readonly solved: Solved;
  /** The criterion's, by group. */
  readonly scores: readonly Float64Array[];
  readonly slices: readonly (readonly Slice[])[];
}
