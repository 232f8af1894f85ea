/** Reconstructs units one after the other, each on what the network quantised so far gives it. */

import { sizeOf } from '../../graph/tensor.ts';
import { type Lab, stopIfAborted } from '../../runtime/index.ts';
import { write } from '../calibrated.ts';
import type { Weights } from '../pair-safe.ts';
import { planOf } from '../plan.ts';
import { type Layer, layersOf } from './layer.ts';
import { type Recorded, reconstruct } from './reconstruct.ts';
import type { RoundingTask } from './rounding.ts';
import type { Unit } from './unit.ts';
import { type Kept, valuesOf } from './values.ts';

/** Bytes of inputs and outputs that one unit may keep. */
const ROOM = 192 * 2 ** 20;
const ITERATIONS = 1000;

export async function roundInTurn(
  { calibrated, options, data, samples, iterations = ITERATIONS }: RoundingTask,
  unitsOf: (layers: readonly Layer[], plan: ReturnType<typeof planOf>) => readonly Unit[],
  lab: Lab,
): Promise<Map<string, Weights>> {
  const { graph } = calibrated.model;
  const units = unitsOf(layersOf(calibrated, options), planOf(graph, calibrated.facts, options));
  const chosen = new Map<string, Weights>();
  for (const [i, unit] of units.entries()) {
    stopIfAborted(lab.signal);
    const { written } = write(calibrated, { ...options, weights: chosen, ownShapes: true });
    const used = samples.subarray(0, fitting(unit, calibrated.facts, samples.length));
    const inputs = await valuesOf(written, unit.inputs, data, used, lab);
    const output = (await valuesOf(calibrated.model, [unit.output], data, used, lab)).get(unit.output)!;
    const recorded = separable(unit, { inputs, output }, used.length);
    if (recorded) {
      const rounded = await reconstruct(unit, graph.initializers, recorded, options, iterations, lab);
      for (const [name, weights] of rounded) chosen.set(name, weights);
    } else lab.onNote?.(`"${unit.output}" is rounded to nearest: its samples do not lie along the first axis`);
    lab.onProgress?.({ task: 'reconstruct', done: i + 1, total: units.length });
  }
  return chosen;
}

/** What was recorded, one sample or one row after the other; undefined where it can be told apart neither way. */
function separable({ layers }: Unit, recorded: Recorded, samples: number): Recorded | undefined {
  const all = [...recorded.inputs.values(), recorded.output];
  if (all.every(({ dims, data }) => data.length === samples * sizeOf(dims))) return recorded;
  const [layer, ...more] = layers;
  // A product with one matrix takes each row by itself, whatever the axes in front mean.
  if (!layer?.role.product || layer.role.input !== 0 || layer.dims.length !== 2 || more.length > 0) return undefined;
  const rows = ({ dims, data }: Kept): Kept => ({ dims: dims.slice(-1), data });
  return {
    inputs: new Map([...recorded.inputs].map(([name, kept]) => [name, rows(kept)])),
    output: rows(recorded.output),
  };
}

/** As many samples as the room takes; 8 at the least. */
function fitting({ inputs, output }: Unit, facts: RoundingTask['calibrated']['facts'], most: number): number {
  const bytes = [...inputs, output].reduce((sum, name) => {
    const [, ...dims] = facts.get(name)?.dims ?? [];
    return sum + 4 * dims.reduce<number>((n, dim) => (typeof dim === 'number' ? n * dim : n), 1);
  }, 0);
  return Math.min(most, Math.max(8, Math.floor(ROOM / Math.max(1, bytes))));
}
