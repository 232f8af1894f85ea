/** How fast this machine is at what decides a model's form: integers and halves against floats, and memory. */

import { random } from '../base/random.ts';
import { factsOf } from '../graph/dtype.ts';
import type { Model } from '../graph/model.ts';
import { elements, sizeOf, type Tensor, tensor, toHalf, zeros } from '../graph/tensor.ts';
import { writeModel } from '../onnx/index.ts';
import { draft } from '../ops/builder.ts';
import { modelOf } from '../ops/model-of.ts';
import type { Value } from '../ops/op.ts';
import { measure } from '../runtime/index.ts';
import type { Lab } from '../runtime/lab.ts';
import { measureModels } from './measure-models.ts';

export interface Speedup {
  /** Time of a 3×3 convolution in float32 over its time in the other form. */
  readonly conv: number;
  /** The same of a dense layer at batch 32. */
  readonly dense: number;
}

export interface MachineSpeed {
  readonly int8: Speedup;
  /** Null where the engine does not compute with halves. */
  readonly float16: Speedup | null;
  /** Bytes that can be read and written in a second, by all threads together. */
  readonly memoryBytesPerSecond: number;
}

type Form = 'float32' | 'int8' | 'float16';

/** Measures it, in a second or two: two small layers in each form, in turn, on one thread; and a pass over a large tensor. */
export async function machineSpeed(lab: Lab): Promise<MachineSpeed> {
  return {
    int8: await speedup('int8', lab),
    float16: await speedup('float16', lab).catch(() => null),
    memoryBytesPerSecond: await memorySpeed(lab),
  };
}

/** A convolution of 64 channels at 28×28, and a dense layer 512 → 512 on 32 samples. */
async function speedup(form: Form, lab: Lab): Promise<Speedup> {
  const ratio = async (make: (form: Form) => Model, batch: number): Promise<number> => {
    const models = [
      { name: 'float32', model: make('float32') },
      { name: form, model: make(form) },
    ];
    const [float32, other] = await measureModels(models, lab, { batches: [batch], rounds: 15 });
    return float32!.timings[0]!.minMs / other!.timings[0]!.minMs; // other programs can only make a round slower
  };
  return { conv: await ratio(convModel, 1), dense: await ratio(denseModel, 32) };
}

/** Elements of the tensor that is read and written: 64 MB, more than caches hold. */
const MANY = 2 ** 24;

async function memorySpeed(lab: Lab): Promise<number> {
  const building = draft<Value>();
  const x = building.g.input('x', 'float32', [MANY]);
  const session = await lab.engine.load(writeModel(modelOf(building, building.g.Abs(x))));
  try {
    const feeds = { x: zeros('float32', [MANY]) };
    (elements(feeds.x) as Float32Array).fill(1);
    using binding = session.bind(feeds, await session.run(feeds));
    const [timed] = await measure([{ name: 'abs', run: () => binding.run() }], { rounds: 7, warmup: 1 });
    return Math.round((2 * 4 * MANY) / (timed!.minMs / 1000));
  } finally {
    session[Symbol.dispose]();
  }
}

const CHANNELS = 64;
const SIDE = 28;
const UNITS = 512;

const convModel = (form: Form): Model =>
  layer('Conv', ['N', CHANNELS, SIDE, SIDE], [CHANNELS, CHANNELS, 3, 3], { pads: [1, 1, 1, 1] }, form);
const denseModel = (form: Form): Model => layer('Gemm', ['N', UNITS], [UNITS, UNITS], { transB: 1 }, form);

/** Twice the layer with a Relu between, so that integers have somewhere to flow; as QDQ for int8. */
function layer(
  op: 'Conv' | 'Gemm',
  dims: readonly (number | string)[],
  weightDims: readonly number[],
  attrs: Readonly<Record<string, number | readonly number[]>>,
  form: Form,
): Model {
  const building = draft<Value>();
  const { g } = building;
  // After a Relu the zero point is 0: the engine then clamps while it rounds, and the Relu costs nothing.
  const asInt8 = (x: Value, zeroPoint = 128): Value => {
    if (form !== 'int8') return x;
    const [scale, zero] = [g.scalar(1 / 32), g.constant(tensor('uint8', [], [zeroPoint]), 'zero')];
    return g.DequantizeLinear(g.QuantizeLinear(x, scale, zero), scale, zero);
  };
  const weight = (name: string): Value => {
    if (form !== 'int8') return g.constant(weights(name, weightDims, form), name);
    const scale = g.constant(
      tensor('float32', [weightDims[0]!], new Float32Array(weightDims[0]!).fill(1 / 4096)),
      'scale',
    );
    const zero = g.constant(tensor('int8', [weightDims[0]!], new Int8Array(weightDims[0]!)), 'zero');
    return g.DequantizeLinear(g.constant(weights(name, weightDims, 'int8'), name), scale, zero, { axis: 0 });
  };
  const input = g.input('x', 'float32', dims);
  const isHalf = form === 'float16';
  const x = isHalf ? g.Cast(input, { to: factsOf('float16').code }) : input;
  const hidden = asInt8(g.Relu(g[op](asInt8(x), weight('w1'), attrs)), 0);
  const y = asInt8(g[op](hidden, weight('w2'), attrs));
  return modelOf(building, isHalf ? g.Cast(y, { to: factsOf('float32').code }) : y);
}

function weights(name: string, dims: readonly number[], dtype: Form): Tensor {
  const r = random(0, `machine-speed/${name}`);
  const draw = (): number => Math.max(-127, Math.min(127, Math.round(r.normal() * 40)));
  const steps = Array.from({ length: sizeOf(dims) }, draw);
  if (dtype === 'int8') return tensor(dtype, dims, steps);
  const values = steps.map((step) => step / 4096);
  return tensor(dtype, dims, dtype === 'float16' ? values.map(toHalf) : values);
}
