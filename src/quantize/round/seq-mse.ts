/**
 * Scales that clip weights where the layer's output gains by it.
 *
 *   min over share of  ‖op(x̂, Ŵ(share · s) − W)‖² by output channel        20 shares from 1 down to a third
 *
 * Layer after layer, x̂ from the network as quantised so far. The engine computes the outputs; nothing is learnt.
 * Source   the sequential MSE search of AIMET (Qualcomm), documented there as SeqMSE.
 */

import { valueInfo } from '../../graph/edit.ts';
import { float32, floats } from '../../graph/tensor.ts';
import { writeModel } from '../../onnx/write.ts';
import { draft } from '../../ops/builder.ts';
import { modelFrom } from '../../ops/model-of.ts';
import { type Lab, type Session, stopIfAborted } from '../../runtime/index.ts';
import { write } from '../calibrated.ts';
import type { Weights } from '../pair-safe.ts';
import { along, dequantizeWeight, quantizeWeight, weightScales } from '../weight.ts';
import { type Layer, layersOf } from './layer.ts';
import type { Rounding } from './rounding.ts';
import { bestScales } from './start.ts';
import { type Kept, valuesOf } from './values.ts';

const SAMPLES = 32;

export const seqMse: Rounding = {
  about: 'to the nearest integer, on scales chosen by the error of the output (SeqMSE)',
  settlesBias: false,
  async run({ calibrated, options, data, samples }, lab) {
    const chosen = new Map<string, Weights>();
    const layers = layersOf(calibrated, options);
    for (const [i, layer] of layers.entries()) {
      stopIfAborted(lab.signal);
      const { written } = write(calibrated, { ...options, weights: chosen, ownShapes: true });
      const x = (await valuesOf(written, [layer.input], data, samples.subarray(0, SAMPLES), lab)).get(layer.input)!;
      chosen.set(layer.weight, await search(layer, x, options.perChannel ?? true, lab));
      lab.onProgress?.({ task: 'clip weights', done: i + 1, total: layers.length });
    }
    return chosen;
  },
};

async function search(layer: Layer, x: Kept, perChannel: boolean, lab: Lab): Promise<Weights> {
  const { w, dims, role, bits, limit } = layer;
  const lie = along(dims, role.axis);
  const full = weightScales(w, lie, limit, perChannel);
  using errors = await outputError(layer, x, lab);
  const scales = await bestScales(full, perChannel, (tried) =>
    errors.of(dequantizeWeight(quantizeWeight(w, tried, lie, limit), tried, lie).map((v, i) => v - w[i]!)),
  );
  return { scales, codes: quantizeWeight(w, scales, lie, limit), bits };
}

export interface OutputError extends Disposable {
  /** Σ over samples and places of op(x, D)², by output channel. */
  readonly of: (difference: Float32Array) => Promise<Float64Array>;
}

/** What a difference of a layer's weight does to its output on recorded inputs. */
export async function outputError({ node, role, dims }: Layer, x: Kept, lab: Lab): Promise<OutputError> {
  const count = x.data.length / x.dims.reduce((n, dim) => n * dim, 1);
  const building = draft();
  const { g } = building;
  const value = g.input('x', 'float32', [count, ...x.dims]);
  const weight = g.input('d', 'float32', dims);
  const inputs = node.inputs.map((_, i) => (i === role.input ? value : i === role.weight ? weight : null));
  while (inputs.at(-1) === null) inputs.pop();
  const attrs = Object.fromEntries(Object.entries(node.attrs).map(([key, attr]) => [key, attr.value])) as never;
  const y = g.emit(node.op, inputs, attrs)[0]!;
  const channel = role.product ? y.dims.length - 1 : 1;
  const others = y.dims.flatMap((_, i) => (i === channel ? [] : [i]));
  const sum = g.ReduceSum(g.Mul(y, y), others, { keepdims: 0 });
  const graph = building.finish([valueInfo(sum.name, 'float32', sum.dims)]);
  const model = modelFrom(graph);
  const session: Session = await lab.engine.load(
    writeModel(model),
    lab.threads === undefined ? {} : { threads: lab.threads },
  );
  const recorded = float32([count, ...x.dims], x.data);
  return {
    of: async (difference) =>
      Float64Array.from(floats((await session.run({ x: recorded, d: float32(dims, difference) }))[sum.name]!)),
    [Symbol.dispose]: () => session[Symbol.dispose](),
  };
}
