import { membersOf } from '../member.ts';
import type { Ranking } from './ranking.ts';

/**
 * Groups made of the same ops, slots and axes are of one structure.
 *
 * Source   Fang et al. 2024, arXiv:2407.04616.
 */
export const isomorphic: Ranking = {
  about: 'groups of the same structure compete, and each structure loses the same share',
  classOf: (solved) =>
    membersOf(solved).map((members) =>
      members
        .map(({ node, slot, role, place }) => `${node.op}.${slot}[${place.axis}]${role}x${place.each}`)
        .sort()
        .join(' '),
    ),
};
