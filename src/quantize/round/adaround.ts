import { roundInTurn } from './in-turn.ts';
import type { Rounding } from './rounding.ts';
import { layerUnits } from './unit.ts';

/** Up or down is learnt for each weight, layer by layer. */
export const adaround: Rounding = {
  about: 'up or down, learnt layer by layer (AdaRound)',
  settlesBias: true,
  learns: true,
  run: (task, lab) => roundInTurn(task, (layers, plan) => layerUnits(task.calibrated.model.graph, plan, layers), lab),
};
