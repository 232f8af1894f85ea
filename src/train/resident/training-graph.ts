/** A whole training step as one graph: forward, loss, slopes, and the move of an optimiser behind them. */

import { removeDead } from '../../graph/edit.ts';
import type { Graph } from '../../graph/model.ts';
import { draft } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import { appendMove, type GraphMove, type GraphParameter } from '../optim/graph.ts';
import type { Part } from '../optim/move.ts';
import { leavesLast, type StepGraph, withStatedOutputs } from '../program.ts';

/** An array by its slot and parameter. */
export interface Place {
  readonly slot: string;
  readonly parameter: string;
}

export interface TrainingGraph {
  readonly graph: Graph;
  /** Graph input → state that it reads. Weights keep the inputs of their own names. */
  readonly reads: ReadonlyMap<string, Place>;
  /** Graph output → array that it renews; statistics are in slot `held`. */
  readonly writes: ReadonlyMap<string, Place>;
  readonly numbers: Pick<GraphMove, 'input' | 'at'>;
}

/** Slot of running statistics. */
export const HELD = 'held';

/**
 * Puts a move behind a step. `length` gives the numbers that a state slot has for a parameter, where they are not one a weight.
 *
 * `flows` says whether the run renews the running statistics. Throws optim/device.
 */
export function trainingGraph(
  step: StepGraph,
  parts: readonly Part[],
  parameters: readonly GraphParameter[],
  { flows, dimsOf }: { flows: boolean; dimsOf: (slot: string, parameter: string) => readonly number[] },
): TrainingGraph {
  const building = draft<StaticValue>(step.graph);
  const { g } = building;
  const reads = new Map<string, Place>();
  const inputs = new Map<string, StaticValue>();
  const stateOf = (slot: string, parameter: string): StaticValue => {
    const key = `${slot}/${parameter}`;
    const value = inputs.get(key) ?? g.input(g.fresh(key), 'float32', dimsOf(slot, parameter));
    inputs.set(key, value);
    reads.set(value.name, { slot, parameter });
    return value;
  };
  const read = (slot: string, parameter: string): StaticValue => {
    if (slot === 'g') return g.of(step.slopes.get(parameter)!);
    return slot === 'w' ? g.of(parameter) : stateOf(slot, parameter);
  };
  const { results, ...numbers } = appendMove(g, parts, parameters, read);

  const writes = new Map<string, Place>();
  if (flows) for (const [parameter, output] of step.form.state) writes.set(output, { slot: HELD, parameter });
  const taken = new Set([step.lossName, ...step.form.state.values(), ...step.graph.inputs.map(({ name }) => name)]);
  for (const name of reads.keys()) taken.add(name);
  for (const [slot, own] of results) {
    if (slot === 'g') continue;
    for (const [parameter, value] of own) {
      const { name } = taken.has(value.name) ? g.Identity(value) : value;
      taken.add(name);
      writes.set(name, { slot, parameter });
    }
  }
  const outputs = [step.lossName, ...writes.keys()].map((name) => ({ name }));
  const whole = removeDead(building.finish(outputs));
  return { graph: withStatedOutputs(leavesLast(whole)), reads, writes, numbers };
}
