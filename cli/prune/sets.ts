/** The data of a pruning: as the flags say, and for `random` in lengths that the model takes. */

import type { Model } from '../../src/graph/model.ts';
import { modernize } from '../../src/ops/modern.ts';
import type { Desk } from '../desk.ts';
import type { Sets } from '../sets.ts';

/** Random samples that are enough to look at structure. */
const SAMPLES = 64;

/**
 * The sets for this model; undefined when the command names none, or for random inputs that share no batch axis (the
 * proof and the timing then make inputs of their own).
 */
export async function setsFor(model: Model, desk: Desk): Promise<Sets | undefined> {
  if (desk.values.data !== 'random' || desk.values.eval !== undefined) return desk.sets(model);
  const [{ noise, portsOf, take }, { bindGraph }] = await Promise.all([
    import('../../src/data/index.ts'),
    import('../../src/prune/bind.ts'),
  ]);
  desk.note('inputs are random: structure and speed can be judged, accuracy cannot');
  const ports = portsOf(model.graph);
  if (new Set(ports.flatMap(({ dims }) => dims.slice(0, 1))).size > 1) {
    desk.note('the inputs share no batch axis: nothing is scored on random samples');
    return undefined;
  }
  const { inputs } = bindGraph(modernize(model).graph, desk.dims);
  const dims = Object.fromEntries(
    ports.flatMap(({ name, dims: own }) =>
      own.flatMap((dim, axis): [string, number][] =>
        typeof dim === 'string' && inputs[name]?.[axis] !== undefined ? [[dim, inputs[name]![axis]!]] : [],
      ),
    ),
  );
  const train = noise(ports, { size: SAMPLES, seed: desk.values.seed, dims: { ...dims, ...desk.dims } });
  return { train, evaluation: take(train, SAMPLES / 2) };
}
