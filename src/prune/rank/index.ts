/** The rankings by name. */

import { global } from './global.ts';
import { isomorphic } from './isomorphic.ts';
import { local } from './local.ts';
import { measured } from './measured.ts';
import type { Ranking } from './ranking.ts';

export const rankings = { global, local, isomorphic, measured } satisfies Record<string, Ranking>;

export type RankName = keyof typeof rankings;

export type { Ranking } from './ranking.ts';
