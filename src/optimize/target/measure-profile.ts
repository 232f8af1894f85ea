/** Measures a machine's profile: one layer of each kind in float32 and in int8, and a chain of nodes that do nothing much. */

import { random } from '../../base/random.ts';
import type { Model } from '../../graph/model.ts';
import { sizeOf, tensor } from '../../graph/tensor.ts';
import { draft } from '../../ops/builder.ts';
import { modelOf } from '../../ops/model-of.ts';
import type { Value } from '../../ops/op.ts';
import { saturates } from '../../quantize/index.ts';
import { measureModels } from '../../report/index.ts';
import type { Lab } from '../../runtime/index.ts';
import { type Kind, PROFILE_FORMAT, type Profile } from './profile.ts';

interface Layer {
  readonly op: 'Conv' | 'Gemm';
  readonly input: readonly number[];
  readonly weight: readonly number[];
  readonly attrs: Readonly<Record<string, number | readonly number[]>>;
  /** Multiply-accumulates of one sample. */
  readonly macs: number;
}

const LAYERS: Readonly<Record<Kind, Layer>> = {
  conv: {
    op: 'Conv',
    input: [64, 28, 28],
    weight: [64, 64, 3, 3],
    attrs: { pads: [1, 1, 1, 1] },
    macs: 64 * 64 * 9 * 28 * 28,
  },
  depthwise: {
    op: 'Conv',
    input: [128, 28, 28],
    weight: [128, 1, 3, 3],
    attrs: { pads: [1, 1, 1, 1], group: 128 },
    macs: 128 * 9 * 28 * 28,
  },
  dense: { op: 'Gemm', input: [1024], weight: [1024, 1024], attrs: { transB: 1 }, macs: 1024 * 1024 },
};
/** Layers in a row, so that what happens at the ends weighs little. */
const DEPTH = 4;

/** Takes some seconds. Throws engine/… from the runs. */
export async function measureProfile(lab: Lab, machine: string): Promise<Profile> {
  const quiet: Lab = { ...lab, onNote: () => {}, onProgress: () => {} };
  const [chain, ...rest] = [
    nodes(40),
    ...Object.values(LAYERS).flatMap((layer) => [stack(layer, false), stack(layer, true)]),
  ];
  const models = [chain!, ...rest].map((model, i) => ({ name: `${i}`, model }));
  const measured = await measureModels(models, quiet, { batches: [1], rounds: 15 });
  const ns = measured.map(({ timings }) => timings[0]!.minMs * 1e6);
  const perMac = (at: number): Record<Kind, number> => {
    const kinds = Object.entries(LAYERS) as [Kind, Layer][];
    return Object.fromEntries(
      kinds.map(([kind, { macs }], i) => [kind, Number((ns[1 + 2 * i + at]! / (DEPTH * macs)).toPrecision(4))]),
    ) as Record<Kind, number>;
  };
  return {
    format: PROFILE_FORMAT,
    machine,
    float: perMac(0),
    int8: perMac(1),
    node: Math.round(ns[0]! / 40),
    saturates: await saturates(lab.engine),
  };
}

/** Nodes that cost next to nothing, and that the engine cannot merge. */
function nodes(count: number): Model {
  const building = draft<Value>();
  const { g } = building;
  let x = g.input('x', 'float32', ['N', 16]);
  for (let i = 0; i < count; i++) x = i % 2 === 0 ? g.Sigmoid(x) : g.Abs(x);
  return modelOf(building, x);
}

/** The layer several times with a Relu behind each; as QDQ when `isInt8`. */
function stack({ op, input, weight, attrs }: Layer, isInt8: boolean): Model {
  const building = draft<Value>();
  const { g } = building;
  const asInt8 = (x: Value): Value => {
    if (!isInt8) return x;
    const [scale, zero] = [g.scalar(1 / 32), g.constant(tensor('uint8', [], [0]), 'zero')];
    return g.DequantizeLinear(g.QuantizeLinear(x, scale, zero), scale, zero);
  };
  const draw = random(0, 'profile');
  const steps = Array.from({ length: sizeOf(weight) }, () =>
    Math.max(-127, Math.min(127, Math.round(draw.normal() * 40))),
  );
  const weights = (): Value => {
    if (!isInt8)
      return g.constant(
        tensor(
          'float32',
          weight,
          steps.map((step) => step / 4096),
        ),
        'w',
      );
    const count = weight[0]!;
    const scale = g.constant(tensor('float32', [count], new Float32Array(count).fill(1 / 4096)), 'scale');
    const zero = g.constant(tensor('int8', [count], new Int8Array(count)), 'zero');
    return g.DequantizeLinear(g.constant(tensor('int8', weight, steps), 'w'), scale, zero, { axis: 0 });
  };
  let x = asInt8(g.input('x', 'float32', ['N', ...input]));
  for (let i = 0; i < DEPTH; i++) x = asInt8(g.Relu(g[op](x, weights(), attrs)));
  return modelOf(building, x);
}
