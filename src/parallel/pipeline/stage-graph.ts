/**
 * The two graphs of a stage, forward and backward. The values that the way back needs are kept from the way there; or only what the
 * stage was given is, and the backward works the rest out again (Chen et al. 2016, arXiv:1604.06174).
 *
 *   slopes of the stage = slopes of  Σ (y ⊙ dy)     y what it gives, dy the slope that comes back
 *   acc' = acc + slope                              over the micro-batches of a step, in place
 */

import { differentiate } from '../../grad/differentiate.ts';
import { readsOf, removeDead } from '../../graph/edit.ts';
import type { Graph } from '../../graph/model.ts';
import { draft } from '../../ops/builder.ts';
import { infer } from '../../ops/infer.ts';
import type { Engine } from '../../runtime/index.ts';
import { engineForm, withStatedOutputs } from '../../train/program.ts';
import type { Stage } from './cut.ts';
import { addInProducts } from './sum.ts';
import { type Kept, splitAt } from './there-and-back.ts';

export interface StageGraphs {
  /** Absent in the last stage, whose backward begins with the loss. */
  readonly forward?: Graph;
  /** Absent where neither this stage nor one before learns. */
  readonly backward?: Graph;
  /** What `forward` leaves for `backward`. */
  readonly kept: Kept;
  /** Weights that learn, in order. */
  readonly trained: readonly string[];
  /** Weight → [input, output] of `backward` through which its slopes add up. */
  readonly sums: ReadonlyMap<string, readonly [from: string, to: string]>;
  /** Input of `backward` for the slope that comes back; absent in the last stage. */
  readonly slopeIn?: string;
  /** Output of `backward` for the stage before; absent in the first stage, or when nothing before learns. */
  readonly slopeOut?: string;
  /** Output of the last stage's backward: its share of the step's loss. */
  readonly loss?: string;
}

export interface StageOptions {
  readonly isLast: boolean;
  /** Does a stage before learn? */
  readonly wantsSlope: boolean;
  /** Micro-batches per step; each counts 1 / micro. */
  readonly micro: number;
  readonly learns: (name: string) => boolean;
  /** Weight → output that flows into it after each run. */
  readonly state: ReadonlyMap<string, string>;
  /** Keep only what the stage was given. */
  readonly recompute: boolean;
  readonly engine: Pick<Engine, 'blockSize'>;
}

export function stageGraphs(stage: Stage, options: StageOptions): StageGraphs {
  const { isLast, wantsSlope, micro, learns, state, recompute, engine } = options;
  const { graph, gives } = stage;
  const takes = wantsSlope ? stage.takes : undefined;
  const ready = (whole: Graph): Graph => {
    const lowered = withStatedOutputs(engineForm(removeDead(whole), engine));
    const read = new Set(lowered.nodes.flatMap(readsOf));
    return { ...lowered, inputs: lowered.inputs.filter(({ name }) => read.has(name)) };
  };

  const forward = draft(graph, infer(graph));
  const { g } = forward;
  const given = g.of(gives);
  let slopeIn: string | undefined;
  const goal = (() => {
    if (isLast) return g.Mul(given, 1 / micro);
    const dY = g.input(g.fresh(`slope_${gives}`), 'float32', given.dims);
    slopeIn = dY.name;
    const axes = given.dims.map((_, i) => i);
    return g.ReduceSum(g.Mul(given, dY), axes, { keepdims: 0 });
  })();
  const wanted = stage.weights.filter((name) => learns(name) && !state.has(name));
  const aimed = forward.finish();
  const { graph: joint, slopes } = differentiate(
    aimed,
    goal.name,
    [...wanted, ...(takes === undefined ? [] : [takes])],
    infer(aimed),
  );
  const trained = wanted.filter((name) => slopes.has(name));

  const building = draft(joint, infer(joint));
  const sums = new Map(
    trained.map((name) => {
      const slope = building.g.of(slopes.get(name)!);
      const before = building.g.input(building.g.fresh(`sum_${name}`), 'float32', building.g.of(name).dims);
      return [name, [before.name, building.g.Add(before, slope).name]] as const;
    }),
  );
  const carried = takes === undefined ? undefined : slopes.get(takes);
  const slopeOut = carried === undefined ? undefined : building.g.Identity(building.g.of(carried)).name;
  const loss = isLast ? building.g.Identity(building.g.of(goal.name)).name : undefined;
  const made = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  const outputs = [
    ...[...sums.values()].map(([, to]) => to),
    ...(slopeOut === undefined ? [] : [slopeOut]),
    ...(loss === undefined ? [] : [loss]),
    ...[...state.values()].filter((name) => made.has(name)),
  ];
  const told = {
    trained,
    sums,
    ...(slopeIn !== undefined && (trained.length > 0 || slopeOut !== undefined) && { slopeIn }),
    ...(slopeOut !== undefined && { slopeOut }),
    ...(loss !== undefined && { loss }),
  };
  const both = (names: readonly string[]): Graph =>
    addInProducts(ready({ ...building.finish(), outputs: names.map((name) => ({ name })) }), [...sums.values()]);
  if (isLast || recompute || outputs.length === 0) {
    return {
      ...told,
      kept: new Map(),
      ...(!isLast && { forward: ready({ ...graph, outputs: [{ name: gives }] }) }),
      ...(outputs.length > 0 && { backward: both(outputs) }),
    };
  }
  const shared = new Set([gives, ...(stage.takes === undefined ? [] : [stage.takes])]);
  return { ...told, ...splitAt(both([...outputs, gives]), gives, shared) };
}
