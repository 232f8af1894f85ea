/**
 * Rounding that is learnt: each weight goes up or down, so that a part of the network gives what it gave in floats.
 *
 *   Ŵ = s · clip(⌊W / s⌋ + h, −limit, limit)        h = clip(σ(V) · (ζ − γ) + γ, 0, 1),  ζ = 1.1, γ = −0.1
 *   min over V of  ‖f(x̂; Ŵ) − f(x; W)‖² / E₀ + λ · mean (1 − |2h − 1|^β)        E₀: the error of rounding to nearest
 *
 * x̂ comes from the network as quantised so far, x from the float one. β falls from 20 to 2 along half a cosine after
 * the first fifth of the updates, in which nothing pulls h to 0 or 1. In the end h is rounded; where that loses more than
 * rounding to nearest, nearest it is. (AdaRound has λ = 0.01 for each weight, over an error in the layer's own units: the pull is
 * then lost on layers of large outputs. Over E₀ one λ suits all.)
 * Constants  λ = 10, Adam at 0.01.
 * Source   Nagel et al. 2020, arXiv:2004.10568 (AdaRound); Li et al. 2021, arXiv:2102.05426 (BRECQ: whole blocks).
 */

import { type Dataset, inMemory } from '../../data/dataset.ts';
import { valueInfo } from '../../graph/edit.ts';
import type { Graph, Model } from '../../graph/model.ts';
import { float32, floats, sizeOf, type Tensor } from '../../graph/tensor.ts';
import { draft } from '../../ops/builder.ts';
import { infer } from '../../ops/infer.ts';
import { modelFrom } from '../../ops/model-of.ts';
import type { StaticValue } from '../../ops/op.ts';
import { STEP } from '../../ops/random-uniform.ts';
import type { Lab } from '../../runtime/index.ts';
import { fit } from '../../train/fit.ts';
import type { Loss } from '../../train/loss/loss.ts';
import { adam } from '../../train/optim/adam.ts';
import { predictAll } from '../../train/predict.ts';
import type { WriteOptions } from '../calibrated.ts';
import type { Weights } from '../pair-safe.ts';
import { along } from '../weight.ts';
import type { Layer } from './layer.ts';
import { startingGrid } from './start.ts';
import type { Unit } from './unit.ts';
import type { Kept } from './values.ts';

const [ZETA, GAMMA] = [1.1, -0.1];
const LAMBDA = 10;
const [BETA_FROM, BETA_TO] = [20, 2];
const WARM = 0.2;
const RATE = 1e-2;
const BATCH = 32;

export interface Recorded {
  /** Of the quantised network, by the unit's inputs. */
  readonly inputs: ReadonlyMap<string, Kept>;
  /** Of the float network. */
  readonly output: Kept;
}

/** Codes and scales of the unit's weights. */
export async function reconstruct(
  unit: Unit,
  initializers: ReadonlyMap<string, Tensor>,
  recorded: Recorded,
  options: WriteOptions,
  iterations: number,
  lab: Lab,
): Promise<Map<string, Weights>> {
  const starts = new Map(
    await Promise.all(unit.layers.map(async (layer) => [layer.weight, await startOf(layer, options)] as const)),
  );
  const soft = softGraph(unit, initializers, recorded, starts);
  const count = recorded.output.data.length / sizeOf(recorded.output.dims);
  const batch = Math.min(BATCH, count);
  const updates = Math.floor(count / batch);
  const epochs = Math.max(1, Math.round(iterations / updates));
  const data = inMemory({
    name: 'recorded',
    inputs: Object.fromEntries(
      [...recorded.inputs].map(([name, { dims, data: values }]) => [name, { dtype: 'float32', dims, data: values }]),
    ),
    labels: { dtype: 'float32', dims: recorded.output.dims, data: recorded.output.data },
  });
  const learned = new Set([...starts.values()].map(({ v }) => v));
  const { signal, engine, seed, threads } = lab;
  const quiet: Lab = {
    engine,
    ...(signal && { signal }),
    ...(seed !== undefined && { seed }),
    ...(threads && { threads }),
  };
  const lost = (of: Model): Promise<number> => errorOf(of, learned, recorded, data, quiet);
  const nearest = await lost(soft.model);
  const { model } = await fit(
    soft.model,
    data,
    {
      epochs,
      batch,
      loss: lossOf(soft.rounded, epochs * updates, nearest || 1),
      learns: (name) => learned.has(name),
      optimizer: adam({ lr: RATE }),
    },
    quiet,
  );
  const best = (await lost(model)) < nearest ? model : soft.model;
  return new Map(
    unit.layers.map(({ weight, bits, limit }) => {
      const { v, scales, floor } = starts.get(weight)!;
      const choice = floats(best.graph.initializers.get(v)!);
      const codes = Int8Array.from(floor, (q, i) => Math.min(limit, Math.max(-limit, q + (choice[i]! >= 0 ? 1 : 0))));
      return [weight, { scales, codes, bits }];
    }),
  );
}

interface Start {
  /** The name of V. */
  readonly v: string;
  readonly scales: Float32Array;
  readonly floor: Float32Array;
  /** V at which h is what the weight's fraction says. */
  readonly start: Float32Array;
}

async function startOf(layer: Layer, options: WriteOptions): Promise<Start> {
  const { scales } = await startingGrid(layer, options);
  const { channels, inner } = along(layer.dims, layer.role.axis);
  const scaled = layer.w.map((w, i) => w / scales[Math.floor(i / inner) % channels]!);
  const floor = scaled.map(Math.floor);
  const start = scaled.map((x, i) => {
    const h = (x - floor[i]! - GAMMA) / (ZETA - GAMMA);
    return Math.log(h / (1 - h));
  });
  return { v: `${layer.weight} up`, scales, floor, start };
}

/** The unit with weights that depend on V; `rounded` are the names of the h. */
function softGraph(
  unit: Unit,
  initializers: ReadonlyMap<string, Tensor>,
  recorded: Recorded,
  starts: ReadonlyMap<string, Start>,
): { model: Model; rounded: string[] } {
  const reads = new Set(unit.nodes.flatMap(({ inputs }) => inputs));
  const used = new Map([...initializers].filter(([name]) => reads.has(name)));
  const rounded: string[] = [];
  const replaced = new Map<string, string>();
  const base: Graph = {
    name: 'unit',
    nodes: [],
    inputs: [...recorded.inputs].map(([name, { dims }]) => valueInfo(name, 'float32', ['N', ...dims])),
    outputs: [],
    initializers: used,
    values: new Map(),
  };
  const taken = unit.nodes.flatMap(({ name, outputs }) => [name, ...outputs]);
  const building = draft(base, infer(base), { taken });
  const { g } = building;
  for (const { weight, dims, role, limit } of unit.layers) {
    const { v, scales, floor, start } = starts.get(weight)!;
    const h = g.Clip(g.Add(g.Mul(g.Sigmoid(g.constant(float32(dims, start), v)), ZETA - GAMMA), GAMMA), 0, 1);
    const wide = dims.map((dim, i) => (i === role.axis ? dim : 1));
    const steps = g.Clip(g.Add(g.constant(float32(dims, floor), `${weight} floor`), h), -limit, limit);
    replaced.set(weight, g.Mul(steps, g.constant(float32(wide, scales), `${weight} scale`)).name);
    rounded.push(h.name);
  }
  const made = building.finish();
  const nodes = unit.nodes.map((node) => ({ ...node, inputs: node.inputs.map((name) => replaced.get(name) ?? name) }));
  const graph = { ...made, nodes: [...made.nodes, ...nodes], outputs: [{ name: unit.output }] };
  const model = modelFrom(graph);
  return { model, rounded };
}

/** The mean squared error of a sample's place, all channels together, once every h is 0 or 1 as V says. */
async function errorOf(
  model: Model,
  learned: ReadonlySet<string>,
  { output }: Recorded,
  data: Dataset,
  lab: Lab,
): Promise<number> {
  const initializers = new Map(model.graph.initializers);
  for (const v of learned) {
    const soft = initializers.get(v)!;
    initializers.set(
      v,
      float32(
        soft.dims,
        floats(soft).map((up) => (up >= 0 ? CERTAIN : -CERTAIN)),
      ),
    );
  }
  const hard = { ...model, graph: { ...model.graph, initializers } };
  const given = (await predictAll(hard, data, model.graph.outputs[0]!.name, { batch: BATCH }, lab)).values;
  let sum = 0;
  for (let i = 0; i < given.length; i++) sum += (given[i]! - output.data[i]!) ** 2;
  return (sum * (output.dims[0] ?? 1)) / given.length;
}

/** V at which h is 0 or 1. */
const CERTAIN = 20;

/** The squared error of a sample, and what pulls each h to 0 or 1. */
const lossOf =
  (rounded: readonly string[], updates: number, nearest: number): Loss =>
  (g, { output, value, column }) => {
    const target = column('labels', 'float32', output.dims.slice(1));
    const difference = g.Sub(output, target);
    const all = output.dims.map((_, i) => i);
    const error = g.Mul(
      g.ReduceSum(g.Mul(difference, difference), all, { keepdims: 0 }),
      (output.dims[1] ?? 1) / sizeOf(output.dims) / nearest,
    );
    const step = g.Cast(g.has(STEP) ? g.of(STEP) : g.input(STEP, 'uint32', []), { to: 1 });
    const share = g.Clip(g.Mul(g.Sub(g.Mul(step, 1 / updates), WARM), 1 / (1 - WARM)), 0, 1);
    const beta = g.Add(g.Mul(g.Add(g.Cos(g.Mul(share, Math.PI)), 1), (BETA_FROM - BETA_TO) / 2), BETA_TO);
    const isOn = g.Cast(g.Greater(share, 0), { to: 1 });
    const count = rounded.reduce((n, name) => n + sizeOf(value(name).dims), 0);
    const pull = rounded
      .map((name): StaticValue => {
        const h = value(name);
        const distance = g.Abs(g.Sub(g.Mul(h, 2), 1));
        const open = g.Sub(1, g.Pow(g.Max(distance, 1e-6), beta));
        return g.ReduceSum(
          open,
          h.dims.map((_, i) => i),
          { keepdims: 0 },
        );
      })
      .reduce((a, b) => g.Add(a, b));
    return g.Add(error, g.Mul(g.Mul(pull, isOn), LAMBDA / count));
  };
