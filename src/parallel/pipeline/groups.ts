/** Who works on what where there are more ranks than stages. */

import { PareError } from '../../base/error.ts';
import { alone } from '../alone.ts';
import type { Collective } from '../collective.ts';

/**
 * `pipe`: the ranks that hold one copy of the model, a stage each, neighbours in the group. `copies`: those that hold the same stage.
 * A process alone holds all stages.
 *
 * Throws   parallel/stages when the stages do not divide the ranks.
 */
export async function groupsFor(
  collective: Collective,
  stages: number,
): Promise<{ pipe: Collective; copies: Collective }> {
  const { rank, size } = collective;
  if (size === 1) return { pipe: alone(), copies: alone() };
  if (!(Number.isInteger(stages) && stages > 0) || size % stages !== 0) {
    throw new PareError('parallel/stages', `${stages} stages cannot be spread over ${size} ranks.`, {
      expected: 'one rank for each stage of each copy',
      got: `${size} ranks`,
      hint: `mpirun -n ${stages}, or a multiple of it`,
    });
  }
  return {
    pipe: await collective.split(Math.floor(rank / stages)),
    copies: await collective.split(rank % stages),
  };
}
