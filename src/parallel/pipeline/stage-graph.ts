/**
 * The two graphs of a stage: forward, and backward, which works its own forward out again so that only the value between
 * two stages is kept (Chen et al. 2016, arXiv:1604.06174).
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

export interface StageGraphs {
  /** Absent in the last stage, whose backward begins with the loss. */
  readonly forward?: Graph;
  /** Absent where neither this stage nor one before learns. */
  readonly backward?: Graph;
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

/**
 * `micro`: micro-batches per step; each counts 1 / micro. `state`: outputs that flow into weights after each run.
 * `wantsSlope`: a stage before learns.
 */
export function stageGraphs(
  stage: Stage,
  {
    isLast,
    wantsSlope,
    micro,
    learns,
    state,
    engine,
  }: {
    isLast: boolean;
    wantsSlope: boolean;
    micro: number;
    learns: (name: string) => boolean;
    state: ReadonlyMap<string, string>;
    engine: Pick<Engine, 'blockSize'>;
  },
): StageGraphs {
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
  return {
    ...(!isLast && { forward: ready({ ...graph, outputs: [{ name: gives }] }) }),
    ...(outputs.length > 0 && {
      backward: ready({ ...building.finish(), outputs: outputs.map((name) => ({ name })) }),
    }),
    trained,
    sums,
    ...(slopeIn !== undefined && (trained.length > 0 || slopeOut !== undefined) && { slopeIn }),
    ...(slopeOut !== undefined && { slopeOut }),
    ...(loss !== undefined && { loss }),
  };
}
