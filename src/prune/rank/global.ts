import type { Ranking } from './ranking.ts';

export const global: Ranking = { about: 'all channels compete' };
