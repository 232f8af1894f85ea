/** What is left of the time: the best structures near the bound learn on, one after the other. */

import type { Lab } from '../runtime/index.ts';
import { leftMs, passMs, type Quest, worthOf } from './quest.ts';
import { holdsCut, isStructure, teach } from './teach.ts';
import type { Trial } from './workshop.ts';

/** Losses, over the bound, from which and up to which learning on may help. */
const COMFORT = 0.2;
const NEAR = 3;
const EPOCHS = 6;
/** For those further away. */
const MANY_EPOCHS = 24;
/** Share of the time left that one of them may learn for. */
const SHARE = 0.5;

/** Goes on until less than `reserveMs` is left, or nothing is better than what held. */
export async function polish(quest: Quest, reserveMs: () => number, lab: Lab): Promise<void> {
  const done = new Set<string>();
  for (;;) {
    const openMs = leftMs(quest) - reserveMs();
    const next = mostPromising(quest, done);
    if (!next || openMs * SHARE < passMs(quest, next, quest.bench.learn!.size) * LEAST) return;
    done.add(next.key);
    lab.onNote?.('a structure learns on');
    const isFar = next.drop > quest.maxDrop * NEAR;
    await teach(quest, next, { epochs: isFar ? MANY_EPOCHS : EPOCHS, mostMs: openMs * SHARE });
  }
}

/** A lesson from a smaller share of the samples helps nothing here. */
const LEAST = 0.3;

/**
 * The best structure that could still hold, or hold more safely; where none is near, the one that lost least. Of those that are not better than
 * what holds safely, none.
 */
function mostPromising(quest: Quest, done: ReadonlySet<string>): Trial | undefined {
  const { maxDrop, workshop } = quest;
  const structures = leastOfEach(workshop.trials.filter(isStructure));
  const isSafe = ({ drop }: Trial): boolean => drop <= maxDrop * COMFORT;
  const safe = Math.min(1, ...structures.filter(isSafe).map((trial) => worthOf(quest, trial)));
  const open = structures.filter((trial) => !isSafe(trial) && !done.has(trial.key) && worthOf(quest, trial) < safe);
  const [near] = open
    .filter(({ drop }) => drop <= maxDrop * NEAR)
    .sort((a, b) => Number(holdsCut(quest, b)) - Number(holdsCut(quest, a)) || worthOf(quest, a) - worthOf(quest, b));
  return near ?? open.sort((a, b) => a.drop - b.drop)[0];
}

/** Of structures of the same size, the one that lost least. */
export function leastOfEach(trials: readonly Trial[]): Trial[] {
  const bySize = new Map<string, Trial>();
  for (const trial of trials) {
    const size = `${trial.macs} ${trial.parameters}`;
    const known = bySize.get(size);
    if (!known || trial.drop < known.drop) bySize.set(size, trial);
  }
  return [...bySize.values()];
}
