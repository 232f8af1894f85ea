/**
 * NF4: sixteen values that split a normal distribution evenly, and the largest |w| of each block.
 *
 *   w ≈ absmax · NF4[code]        blocks of 64 weights along K, across the ends of rows
 *   B  uint8 [ceil(N · K / 2)], the matrix [N, K] row by row, the first code of a pair in the high bits
 *
 * The engine's kernel is com.microsoft MatMulBnb4.
 * Source   Dettmers et al. 2023, "QLoRA", arXiv:2305.14314, appendix E (the values); ONNX Runtime, docs/ContribOperators.md.
 */

import { PareError } from '../base/error.ts';
import type { Model } from '../graph/model.ts';
import { float32, tensor } from '../graph/tensor.ts';
import { modelBytes } from '../onnx/write.ts';
import { withoutSpare } from '../ops/spare-attributes.ts';
import { transposed } from './blocks.ts';
import type { WeightReport } from './dynamic.ts';
import { inFloat32, storedAsBefore } from './in-float32.ts';
import { joined, type MatrixOptions, replaceMatrixLayers } from './matrix-layers.ts';
import { parametersOf } from './size.ts';

export const NF4: readonly number[] = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
];

export interface NormalFloatOptions extends MatrixOptions {
  /** Weights that share a largest value: 16, 32, 64, 128 or 256. Default 64. */
  block?: number;
}

const SIZES = [16, 32, 64, 128, 256];
/** quant_type of the kernel: 0 is FP4, 1 is NF4. */
const NF4_TYPE = 1;

/**
 * Stores the matrix of every dense layer as NF4. Needs no samples.
 *
 * Throws   quantize/block for a block size that the engine does not have.
 */
export function toNormalFloat(
  model: Model,
  { block = 64, ...options }: NormalFloatOptions = {},
): { model: Model; report: WeightReport } {
  if (!SIZES.includes(block)) {
    throw new PareError('quantize/block', `Blocks of ${block} weights cannot be stored.`, {
      expected: SIZES.join(', '),
      got: `${block}`,
    });
  }
  const done = replaceMatrixLayers(
    inFloat32(model),
    (layer, pen) => {
      const { input, output, weight, K, N, node } = layer;
      const [pairs, blocks] = [Math.ceil((K * N) / 2), Math.ceil((K * N) / block)];
      if (pairs + 4 * blocks >= 4 * K * N) return false;
      let made: ReturnType<typeof toCodes> | undefined;
      const once = () => (made ??= toCodes(layer.w, K, N, block));
      pen.add({
        op: 'MatMulBnb4',
        domain: 'com.microsoft',
        name: node.name,
        inputs: [
          input,
          pen.shared(`${weight}_Bnb4`, () => tensor('uint8', [pairs], once().codes)),
          pen.shared(`${weight}_absmax`, () => float32([blocks], once().peaks)),
        ],
        outputs: [output],
        attrs: {
          K: { kind: 'int', value: K },
          N: { kind: 'int', value: N },
          block_size: { kind: 'int', value: block },
          quant_type: { kind: 'int', value: NF4_TYPE },
        },
      });
      return true;
    },
    options,
  );
  const opsets = { ...done.model.opsets, 'com.microsoft': 1 };
  const written = withoutSpare(storedAsBefore(joined({ ...done.model, opsets }), model));
  return {
    model: written,
    report: {
      before: { bytes: modelBytes(model), parameters: parametersOf(model) },
      after: { bytes: modelBytes(written), parameters: parametersOf(model) },
      scheme: `weights of 4 bits (NF4, blocks of ${block})`,
      quantized: done.replaced,
      kept: done.kept,
    },
  };
}

/** Codes, two to a byte, and the largest |w| of each block, of w [K, N]. */
function toCodes(w: Float32Array, K: number, N: number, block: number): { codes: Uint8Array; peaks: Float32Array } {
  const count = K * N;
  const codes = new Uint8Array(Math.ceil(count / 2));
  const peaks = new Float32Array(Math.ceil(count / block));
  const rows = transposed(w, K, N);
  for (let b = 0; b < peaks.length; b++) {
    const end = Math.min(count, (b + 1) * block);
    let peak = 0;
    for (let i = b * block; i < end; i++) peak = Math.max(peak, Math.abs(rows[i]!));
    peaks[b] = peak;
    for (let i = b * block; i < end; i++)
      codes[i >> 1]! |= nearest(rows[i]! / (peaks[b]! || 1)) << (i % 2 === 0 ? 4 : 0);
  }
  return { codes, peaks };
}

/** Half way between neighbours. */
const EDGES = NF4.slice(1).map((value, i) => (value + NF4[i]!) / 2);

function nearest(x: number): number {
  let code = 0;
  for (let step = 8; step > 0; step >>= 1) if (x > EDGES[code + step - 1]!) code += step;
  return code;
}
