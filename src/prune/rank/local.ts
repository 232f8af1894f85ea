import type { Ranking } from './ranking.ts';

export const local: Ranking = {
  about: 'every group loses the same share',
  classOf: ({ groups }) => groups.map(({ id }) => `${id}`),
};
