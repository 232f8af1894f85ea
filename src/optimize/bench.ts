/** The data of a search, or of a recipe that is followed again: divided in the same way, with labels where slopes need them. */

import { bind, type Dataset, portsOf, type Splits } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { answersOf } from '../recipe/answers.ts';
import type { Bench } from '../recipe/index.ts';
import { FEWEST, type Parts, partsOf } from '../recipe/parts.ts';
import type { Lab } from '../runtime/index.ts';
import { labelledBy } from './judge.ts';

export interface Prepared {
  readonly bench: Bench;
  /** Absent where there are too few samples to divide. */
  readonly parts?: Parts | undefined;
  /** What the end is scored on; absent without data. */
  readonly evaluation?: Dataset | undefined;
  /** All of the data, under the model's input names. */
  readonly splits?: Splits | undefined;
}

/** Divides the data; without any, or with too few samples, says that only exact steps are allowed. */
export async function prepareData(model: Model, data: Dataset | Splits | undefined, lab: Lab): Promise<Prepared> {
  if (!data) {
    lab.onNote?.('without real samples only exact steps are allowed: answers stay the same to rounding');
    return { bench: { original: model } };
  }
  const splits = bound(model, 'train' in data ? data : { train: data });
  const parts = partsOf(splits, lab.seed);
  if (!parts) {
    const few = splits.train.size;
    lab.onNote?.(
      `${few} sample${few === 1 ? ' is' : 's are'} too few to search on (at least ${FEWEST}): only exact steps are allowed`,
    );
    return { bench: { original: model }, evaluation: splits.test ?? splits.train, splits };
  }
  const learn = await labelledBy(model, parts.learn, lab);
  const validation = await labelledBy(model, parts.search, lab);
  return {
    bench: { original: model, learn, validation, answers: answersOf(model) },
    parts,
    evaluation: parts.evaluation,
    splits,
  };
}

function bound(model: Model, { train, validation, test }: Splits): Splits {
  const ports = portsOf(model.graph);
  return {
    train: bind(train, ports),
    ...(validation && { validation: bind(validation, ports) }),
    ...(test && { test: bind(test, ports) }),
  };
}
