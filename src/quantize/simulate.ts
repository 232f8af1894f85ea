/**
 * A plan in floats: the network rounds where integers would, with scales that can learn.
 *
 *   weight      W → FakeQuantize(W, s0 · exp(t))        s0, t by channel
 *   activation  x → FakeQuantize(x, s0 · exp(t[i]))     one t for each grid, all in one vector
 *
 * Scales learn by their logarithm, so that they stay above 0 and one learning rate suits all of them.
 * Source   Jain et al. 2020, arXiv:1903.08066 (thresholds in the log domain); zero points stay as calibrated.
 */

import type { Model, Node } from '../graph/model.ts';
import { float32, floats, int64, type Tensor } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import type { Value } from '../ops/op.ts';
import type { Calibrated, WriteOptions } from './calibrated.ts';
import { type Grid, gridOf, LIMITS } from './grid.ts';
import { planOf } from './plan.ts';
import { layersOf } from './round/layer.ts';
import { startingGrid } from './round/start.ts';
import { along, quantizeWeight } from './weight.ts';

export interface SimulateOptions extends WriteOptions {
  /** Bits of an activation, 2 to 8. Default 8. */
  activationBits?: number;
}

export interface Simulated {
  /** With nodes of the domain `pare`: for training, not for a file. */
  readonly model: Model;
  /** Does this weight or logarithm of a scale learn? */
  readonly learns: (name: string) => boolean;
  /** The calibrated model with what was learnt, and how to write it. */
  readonly settle: (learnt: Model) => { calibrated: Calibrated; options: WriteOptions };
}

const LOGS = 'activation scales';

export async function simulate(calibrated: Calibrated, options: SimulateOptions): Promise<Simulated> {
  const { model, facts, ranges } = calibrated;
  const { perChannel = true, activationBits = 8 } = options;
  const plan = planOf(model.graph, facts, options);
  const building = draft<Value>({ ...model.graph, nodes: [] }, facts);
  const { g } = building;
  const fixed = new Set<string>();
  const constant = (wish: string, value: Tensor): Value => {
    const made = g.constant(value, wish);
    fixed.add(made.name);
    return made;
  };
  const fake = (x: Value, scale: Value, attrs: Readonly<Record<string, number>>): Value =>
    g.emit('FakeQuantize', [x, scale], attrs, { domain: 'pare' })[0]!;

  const layers = layersOf(calibrated, options);
  const weights = new Map<string, { log: string; start: Float32Array }>();
  const rename = new Map<string, string>();
  for (const layer of layers) {
    const { scales } = await startingGrid(layer, options);
    const start = perChannel ? scales : scales.slice(0, 1);
    const dims = perChannel ? [start.length] : [];
    const log = g.constant(float32(dims, new Float32Array(start.length)), `${layer.weight} log scale`);
    const scale = g.Mul(g.Exp(log), constant(`${layer.weight} scale`, float32(dims, start)));
    const axis = layer.role.axis;
    rename.set(layer.weight, fake(g.of(layer.weight), scale, { axis, least: -layer.limit, most: layer.limit }).name);
    weights.set(layer.weight, { log: log.name, start });
  }

  const groups = [...plan.watch].map(([group, watched]) => ({
    group,
    watched,
    grid: narrowed(gridOf(ranges.get(watched)!, watched, options.activations), activationBits),
  }));
  // Two at least: a single number is taken for a setting, not for a weight.
  const logs = g.constant(float32([Math.max(2, groups.length)], new Float32Array(Math.max(2, groups.length))), LOGS);
  const byValue = new Map(groups.map((entry, i) => [entry.watched, { ...entry, i }]));
  const around = (name: string): void => {
    const found = byValue.get(name);
    if (!found) return;
    const { grid, i } = found;
    const [lo, hi] = grid.limits;
    const own = g.Gather(logs, g.constant(int64([], [i]), 'place'));
    const scale = g.Mul(g.Exp(own), constant('scale', float32([], [grid.scale])));
    const rounded = fake(g.of(name), scale, { least: lo - grid.zeroPoint, most: hi - grid.zeroPoint });
    rename.set(name, rounded.name);
  };
  for (const { name } of model.graph.inputs) around(name);
  for (const node of model.graph.nodes) {
    const read = { ...node, inputs: node.inputs.map((name) => rename.get(name) ?? name) };
    building.keep(read as Node);
    for (const name of node.outputs) around(name);
  }
  const graph = building.finish(
    model.graph.outputs.map((info) => ({ ...info, name: rename.get(info.name) ?? info.name })),
  );
  return {
    model: { ...model, graph: { ...graph, values: new Map() } },
    learns: (name) => !fixed.has(name),
    settle: (learnt) => {
      const trained = (name: string): Float32Array => floats(learnt.graph.initializers.get(name)!);
      const initializers = new Map(
        [...model.graph.initializers].map(([name, old]) => [name, learnt.graph.initializers.get(name) ?? old]),
      );
      const chosen = layers.map(({ weight, dims, role, bits, limit }) => {
        const { log, start } = weights.get(weight)!;
        const logs = trained(log);
        const lie = along(dims, role.axis);
        const scales = Float32Array.from({ length: lie.channels }, (_, c) => {
          const at = perChannel ? c : 0;
          return start[at]! * Math.exp(logs[at]!);
        });
        const codes = quantizeWeight(floats(initializers.get(weight)!), scales, lie, limit);
        return [weight, { scales, codes, bits }] as const;
      });
      const scaleLogs = trained(logs.name);
      const grids = groups.map(({ group, grid }, i): [string, Grid] => [
        group,
        { dtype: grid.dtype, zeroPoint: grid.zeroPoint, scale: Math.fround(grid.scale * Math.exp(scaleLogs[i]!)) },
      ]);
      const { inputMeans: _, ...bare } = calibrated;
      return {
        calibrated: { ...bare, model: { ...model, graph: { ...model.graph, initializers } } },
        options: { ...options, weights: new Map(chosen), grids: new Map(grids), biasShifts: new Map() },
      };
    },
  };
}

/** The grid of so many bits over the same range. */
function narrowed(grid: Grid, bits: number): Grid & { limits: readonly [number, number] } {
  if (bits === 8) return { ...grid, limits: LIMITS[grid.dtype] };
  const most = 2 ** bits - 1;
  const [bottom] = LIMITS[grid.dtype];
  return {
    dtype: grid.dtype,
    scale: Math.fround((grid.scale * 255) / most),
    zeroPoint: bottom + Math.round(((grid.zeroPoint - bottom) * most) / 255),
    limits: [bottom, bottom + most],
  };
}
