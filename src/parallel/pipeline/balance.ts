/** What the stages of a pipeline are made even in: their work as counted, as timed here, or the memory that each needs. */

import type { Dataset } from '../../data/dataset.ts';
import { differentiate } from '../../grad/differentiate.ts';
import { isStatic } from '../../graph/dim.ts';
import { byteLength } from '../../graph/dtype.ts';
import { readsOf } from '../../graph/edit.ts';
import type { Graph } from '../../graph/model.ts';
import { sizeOf } from '../../graph/tensor.ts';
import { infer } from '../../ops/infer.ts';
import type { Lab } from '../../runtime/index.ts';
import type { LearningForm } from '../../train/learning-form.ts';
import type { StepGraph } from '../../train/program.ts';
import type { Collective } from '../collective.ts';
import { tell } from '../tell.ts';
import { additive, costsOf, placesOf, prefixSums, type Weigh } from './cut.ts';
import type { Schedule } from './schedule.ts';
import { stretchTimes } from './stretch-times.ts';

export type BalanceName = 'cost' | 'time' | 'memory';

/** A model in the form in which it is cut, and how its stages will work. */
export interface ToCut {
  /** The forward graph of one micro-batch, up to the loss. */
  readonly graph: Graph;
  readonly output: string;
  readonly form: LearningForm;
  readonly columns: StepGraph['columns'];
  readonly data: Dataset;
  readonly learns: (name: string) => boolean;
  readonly count: number;
  readonly micro: number;
  readonly schedule: Schedule;
  readonly recompute: boolean;
  /** Numbers that the optimiser keeps for each weight. */
  readonly slots: number;
  /** All of these get the same cut. */
  readonly collective: Collective;
}

/**
 * 'cost'     multiply-accumulates and values read and written: the same on every machine.
 * 'time'     milliseconds of the way there, as the first rank measures them; that rank reads all weights once, a stretch at a time.
 *            Throws parallel/profile where the engine does not time its nodes.
 * 'memory'   bytes: weights with slopes and optimiser state, values kept for the way back, and those on their way between stages.
 */
export const balances: Readonly<Record<BalanceName, (model: ToCut, lab: Lab) => Weigh | Promise<Weigh>>> = {
  cost: ({ graph }) => additive(costsOf(graph)),
  time: async (model, lab) => additive(await tell(model.collective, () => stretchTimes(model, lab))),
  memory: memoryOf,
};

/**
 *   bytes(stage) = weights · (2 + slots) + frozen weights + in flight · kept + 2 · values and slopes on their way in and out
 *
 * Recomputing keeps one micro-batch's values, and what the stage was given of the others.
 */
function memoryOf({ graph, output, form, learns, count, micro, schedule, recompute, slots }: ToCut): Weigh {
  const facts = infer(graph);
  const bytesOf = (name: string): number => {
    const { dtype = 'float32', dims } = facts.get(name) ?? {};
    return isStatic(dims) ? byteLength(dtype, sizeOf(dims)) : 0;
  };
  const isLearnt = (name: string): boolean =>
    learns(name) && !form.state.has(name) && form.weights.get(name)!.dtype === 'float32';
  const met = new Set<string>();
  const weights = graph.nodes.map((node) => {
    const own = [...new Set(readsOf(node))].filter((name) => form.weights.has(name) && !met.has(name));
    for (const name of own) met.add(name);
    return own.reduce((sum, name) => sum + bytesOf(name) * (isLearnt(name) ? 2 + slots : 1), 0);
  });

  const made = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  const { graph: joint } = differentiate(graph, output, [...form.weights.keys()].filter(isLearnt), facts);
  const back = joint.nodes.filter(({ outputs }) => !outputs.some((name) => made.has(name)));
  const read = new Set(back.flatMap(readsOf));
  const kept = graph.nodes.map(({ outputs }) =>
    outputs.reduce((sum, name) => sum + (read.has(name) ? bytesOf(name) : 0), 0),
  );

  const crossing = new Map(
    placesOf(graph, { weights: new Set(form.weights.keys()), output }, facts).map(({ at, value }) => [
      at,
      bytesOf(value),
    ]),
  );
  const ring = (at: number, stage: number): number =>
    crossing.has(at) ? 2 * crossing.get(at)! * schedule.inFlight(stage, count, micro) : 0;
  const [weightsUpTo, keptUpTo] = [prefixSums(weights), prefixSums(kept)];
  return (from, to, stage) => {
    const flights = recompute ? 1 : schedule.inFlight(stage, count, micro);
    const own = weightsUpTo[to]! - weightsUpTo[from]! + flights * (keptUpTo[to]! - keptUpTo[from]!);
    return own + (stage > 0 ? ring(from, stage - 1) : 0) + (stage < count - 1 ? ring(to, stage) : 0);
  };
}
