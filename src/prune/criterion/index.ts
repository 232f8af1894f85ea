/** The criteria by name. */

import { activationMean } from './activation-mean.ts';
import { bnScale } from './bn-scale.ts';
import type { Criterion } from './criterion.ts';
import { fpgm } from './fpgm.ts';
import { l1 } from './l1.ts';
import { l2 } from './l2.ts';
import { lamp } from './lamp.ts';
import { obd } from './obd.ts';
import { obs } from './obs.ts';
import { randomly } from './random.ts';
import { snip } from './snip.ts';
import { taylor } from './taylor.ts';
import { wanda } from './wanda.ts';

export const criteria = {
  random: randomly,
  l1,
  l2,
  'bn-scale': bnScale,
  lamp,
  fpgm,
  taylor,
  obd,
  obs,
  snip,
  'activation-mean': activationMean,
  wanda,
} satisfies Record<string, Criterion>;

export type CriterionName = keyof typeof criteria;

export type { Criterion, Need, Slice } from './criterion.ts';
