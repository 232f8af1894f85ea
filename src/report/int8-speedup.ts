/** Is int8 faster than float32 on this machine? Two small layers, each in both forms, run in turn on one thread. */

import { random } from '../base/random.ts';
import type { Model } from '../graph/model.ts';
import { sizeOf, type Tensor, tensor } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { MODERN_OPSET } from '../ops/modern.ts';
import type { Value } from '../ops/op.ts';
import type { Lab } from '../runtime/lab.ts';
import { measureModels } from './measure-models.ts';

export interface Int8Speedup {
  /** Time of a 3×3 convolution in float32 over its time in int8. */
  readonly conv: number;
  /** The same of a dense layer at batch 32. */
  readonly dense: number;
}

const CHANNELS = 64;
const SIDE = 28;
const UNITS = 512;

/** Measures it: a convolution of 64 channels at 28×28, and a dense layer 512 → 512 on 32 samples. */
export async function int8Speedup(lab: Lab): Promise<Int8Speedup> {
  const ratio = async (make: (isInt8: boolean) => Model, batch: number): Promise<number> => {
    const models = [
      { name: 'float32', model: make(false) },
      { name: 'int8', model: make(true) },
    ];
    const [float32, int8] = await measureModels(models, lab, { batches: [batch], rounds: 15 });
    return float32!.timings[0]!.minMs / int8!.timings[0]!.minMs; // other programs can only make a round slower
  };
  return { conv: await ratio(convModel, 1), dense: await ratio(denseModel, 32) };
}

const convModel = (isInt8: boolean): Model =>
  layer('Conv', ['N', CHANNELS, SIDE, SIDE], [CHANNELS, CHANNELS, 3, 3], { pads: [1, 1, 1, 1] }, isInt8);
const denseModel = (isInt8: boolean): Model => layer('Gemm', ['N', UNITS], [UNITS, UNITS], { transB: 1 }, isInt8);

/** Twice the layer with a Relu between, so that integers have somewhere to flow; as QDQ when `isInt8`. */
function layer(
  op: 'Conv' | 'Gemm',
  dims: readonly (number | string)[],
  weightDims: readonly number[],
  attrs: Readonly<Record<string, number | readonly number[]>>,
  isInt8: boolean,
): Model {
  const building = draft<Value>();
  const { g } = building;
  // After a Relu the zero point is 0: the engine then clamps while it rounds, and the Relu costs nothing.
  const asInt8 = (x: Value, zeroPoint = 128): Value => {
    if (!isInt8) return x;
    const [scale, zero] = [g.scalar(1 / 32), g.constant(tensor('uint8', [], [zeroPoint]), 'zero')];
    return g.DequantizeLinear(g.QuantizeLinear(x, scale, zero), scale, zero);
  };
  const weight = (name: string): Value => {
    if (!isInt8) return g.constant(weights(name, weightDims, 'float32'), name);
    const scale = g.constant(
      tensor('float32', [weightDims[0]!], new Float32Array(weightDims[0]!).fill(1 / 4096)),
      'scale',
    );
    const zero = g.constant(tensor('int8', [weightDims[0]!], new Int8Array(weightDims[0]!)), 'zero');
    return g.DequantizeLinear(g.constant(weights(name, weightDims, 'int8'), name), scale, zero, { axis: 0 });
  };
  const x = g.input('x', 'float32', dims);
  const hidden = asInt8(g.Relu(g[op](asInt8(x), weight('w1'), attrs)), 0);
  const y = asInt8(g[op](hidden, weight('w2'), attrs));
  const graph = building.finish([{ name: y.name, type: { kind: 'tensor', dtype: y.dtype, dims: y.dims } }]);
  return { ir: 10, opsets: { '': MODERN_OPSET }, graph, producer: { name: 'pare', version: '' }, metadata: {} };
}

function weights(name: string, dims: readonly number[], dtype: 'float32' | 'int8'): Tensor {
  const r = random(0, `int8-speedup/${name}`);
  const draw = (): number => Math.max(-127, Math.min(127, Math.round(r.normal() * 40)));
  const steps = Array.from({ length: sizeOf(dims) }, draw);
  return tensor(dtype, dims, dtype === 'int8' ? steps : steps.map((step) => step / 4096));
}
