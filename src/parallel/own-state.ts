/** What one rank alone keeps between updates, and how a checkpoint of all ranks holds it. */

import type { RunningOptimizer } from '../train/optim/running.ts';
import type { Collective } from './collective.ts';
import type { RunningCompression } from './compress/index.ts';
import type { Meetings } from './local-sgd.ts';
import type { Part } from './part.ts';

/** What a rank has kept back of its slopes, in a checkpoint. */
const RESIDUAL = 'slot/residual/all';

/** Is an array of a run this rank's own: what it has not sent yet, and where ranks learn `apart` the state of its optimiser? */
export const isOwnState = (name: string, isApart: boolean): boolean =>
  name === RESIDUAL || (isApart && /^slot\/(?!outer )/.test(name));

/** A rank's own numbers among those of all: one behind the other, in the order of the ranks. */
export const ownPart = (of: string, length: number, { rank, size }: Collective): Part => ({
  of,
  dims: [size * length],
  range: [rank * length, (rank + 1) * length],
});

/** The optimiser with what else a run needs to go on. */
export function withState(
  running: RunningOptimizer,
  meetings: Meetings | undefined,
  compressed: RunningCompression | undefined,
): RunningOptimizer {
  const { residual } = compressed ?? {};
  if (!meetings && !residual) return running;
  const own = { ...meetings?.tensors, ...(residual && { residual: { all: residual } }) };
  return {
    ...running,
    get t() {
      return running.t;
    },
    state() {
      const state = running.state();
      return { ...state, tensors: { ...state.tensors, ...own } };
    },
    restore({ tensors, ...state }) {
      running.restore({
        ...state,
        tensors: Object.fromEntries(Object.entries(tensors).filter(([slot]) => !(slot in own))),
      });
      meetings?.restored();
    },
  };
}
