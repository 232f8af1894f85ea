/**
 * Dynamic int8: weights are integers, activations become integers at each run, with the range that they happen to have.
 *
 *   y = (xq − zx) · Wq · (sx · sw)        xq, sx, zx = DynamicQuantizeLinear(x)
 *
 * Needs no samples. For dense layers, attention and recurrent layers; the engine fuses the nodes into one kernel.
 */

import type { Model } from '../graph/model.ts';
import { float32, tensor } from '../graph/tensor.ts';
import { modelBytes } from '../onnx/write.ts';
import { withoutSpare } from '../ops/spare-attributes.ts';
import type { Lab } from '../runtime/index.ts';
import { quantizeLstms } from './dynamic-lstm.ts';
import { inFloat32, storedAsBefore } from './in-float32.ts';
import { joined, type MatrixOptions, type Pen, replaceMatrixLayers } from './matrix-layers.ts';
import { pairSafe as pairSafeWeights, type Weights } from './pair-safe.ts';
import type { Kept } from './plan.ts';
import { saturates } from './saturate.ts';
import { settleWeights } from './settle-weights.ts';
import { parametersOf, type Size } from './size.ts';
import { readBy, storeWeights } from './store.ts';
import { along, quantizeWeight, weightScales } from './weight.ts';

export interface DynamicOptions extends MatrixOptions {
  /** A weight scale per output channel. Default true. */
  perChannel?: boolean;
  /** Weights from −127 to 127, or shifted to 1 to 255 for engines that only have that kernel. Default `s8`. */
  weights?: 's8' | 'u8';
  /** As in `quantize`. Default: whether this engine needs it. */
  pairSafe?: boolean;
}

export interface WeightReport {
  readonly before: Size;
  readonly after: Size;
  /** Such as "int8 dynamic, s8 weights per channel". */
  readonly scheme: string;
  /** Nodes that were replaced. */
  readonly quantized: readonly string[];
  readonly kept: readonly Kept[];
}

/** The code that stands for 0 among u8 weights. */
const MIDDLE = 128;

/**
 * Quantises every matrix product with a constant matrix, and LSTMs; other layers (convolutions) and tables keep their
 * weights in 8 bits and compute in floats.
 * The model takes and gives the same tensors.
 */
export async function quantizeDynamic(
  given: Model,
  options: DynamicOptions,
  lab: Pick<Lab, 'engine'>,
): Promise<{ model: Model; report: WeightReport }> {
  const model = await settleWeights(inFloat32(given), lab);
  const { perChannel = true, weights = 's8' } = options;
  const pairSafe = options.pairSafe ?? (await saturates(lab.engine));
  const integers = new Map<Pen, Map<string, readonly [string, string, string]>>();
  const done = replaceMatrixLayers(
    model,
    (layer, pen) => {
      const { input, output, weight, K, N } = layer;
      let made: Pick<Weights, 'scales' | 'codes'> | undefined;
      const once = () => (made ??= rounded(layer.w, [K, N], pairSafe, perChannel));
      const shifted = weights === 'u8';
      const wq = pen.shared(`${weight}_q`, () => {
        const { codes } = once();
        if (!shifted) return tensor('int8', [K, N], codes);
        return tensor(
          'uint8',
          [K, N],
          Uint8Array.from(codes, (code) => code + MIDDLE),
        );
      });
      const wz = shifted ? [pen.shared('middle', () => tensor('uint8', [], Uint8Array.of(MIDDLE)))] : [];
      const ws = pen.shared(`${weight}_s`, () =>
        perChannel ? float32([N], once().scales) : float32([], [once().scales[0]!]),
      );
      const known = integers.get(pen) ?? new Map<string, readonly [string, string, string]>();
      integers.set(pen, known);
      let parts = known.get(input);
      if (!parts) {
        parts = [pen.fresh(`${input}_q`), pen.fresh(`${input}_s`), pen.fresh(`${input}_z`)];
        pen.add({ op: 'DynamicQuantizeLinear', inputs: [input], outputs: parts });
        known.set(input, parts);
      }
      const [sum, asFloat, scale] = [pen.fresh(`${output}_i`), pen.fresh(`${output}_f`), pen.fresh(`${output}_s`)];
      pen.add({ op: 'MatMulInteger', inputs: [parts[0], wq, parts[2], ...wz], outputs: [sum] });
      pen.add({ op: 'Cast', inputs: [sum], outputs: [asFloat], attrs: { to: { kind: 'int', value: 1 } } });
      pen.add({ op: 'Mul', inputs: [parts[1], ws], outputs: [scale] });
      pen.add({ op: 'Mul', inputs: [asFloat, scale], outputs: [output] });
      return true;
    },
    options,
  );
  const recurrent = quantizeLstms(joined(done.model), { ...options, pairSafe });
  const stored = storeWeights(recurrent.model, readBy(recurrent.model.graph, options.exclude));
  const written = withoutSpare(storedAsBefore(stored, given));
  return {
    model: written,
    report: {
      before: { bytes: modelBytes(given), parameters: parametersOf(given) },
      after: { bytes: modelBytes(written), parameters: parametersOf(model) },
      scheme: `int8 dynamic, ${weights} weights${pairSafe ? ', pairs checked,' : ''} per ${perChannel ? 'channel' : 'tensor'}`,
      quantized: [...done.replaced, ...recurrent.replaced],
      kept: [...done.kept.filter(({ node }) => !recurrent.replaced.includes(node)), ...recurrent.kept],
    },
  };
}

function rounded(w: Float32Array, dims: readonly [number, number], isPairSafe: boolean, perChannel: boolean) {
  if (isPairSafe) return pairSafeWeights(w, dims, 1, perChannel);
  const lie = along(dims, 1);
  const scales = weightScales(w, lie, 127, perChannel);
  return { scales, codes: quantizeWeight(w, scales, lie, 127) };
}
