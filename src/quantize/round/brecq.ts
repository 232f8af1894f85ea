import { roundInTurn } from './in-turn.ts';
import type { Rounding } from './rounding.ts';
import { blockUnits } from './unit.ts';

/** Up or down is learnt for each weight, a whole block at a time: layers of a residual block make up for each other. */
export const brecq: Rounding = {
  about: 'up or down, learnt block by block (BRECQ)',
  settlesBias: true,
  learns: true,
  run: (task, lab) => {
    const { model, facts } = task.calibrated;
    return roundInTurn(task, (layers, plan) => blockUnits(model.graph, facts, plan, layers), lab);
  },
};
