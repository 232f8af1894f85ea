/**
 * Weights of 2, 4 or 8 bits in blocks, activations in floats: for models whose speed is the speed of reading weights
 * (decoders, one row at a time). The engine's kernel is MatMulNBits.
 */

import { PareError } from '../base/error.ts';
import { pick } from '../base/suggest.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import { float32, type Tensor, tensor } from '../graph/tensor.ts';
import { modelBytes } from '../onnx/write.ts';
import type { Lab } from '../runtime/index.ts';
import { scaleForBlocks } from './awq.ts';
import { type BlockedMethod, type BlockedMethodName, blockedMethods } from './blocked/index.ts';
import { type BlockBits, type BlockShape, type Blocks, blockCount, packCodes, packZeros } from './blocks.ts';
import { chooseSamples } from './calibrated.ts';
import type { WeightReport } from './dynamic.ts';
import { quantizeEmbeddings } from './embeddings.ts';
import { type MatrixOptions, matrixLayersOf, type Pen, prepareMatrices, replaceMatrixLayers } from './matrix-layers.ts';
import { secondMoments } from './moments.ts';
import { parametersOf } from './quantize.ts';
import { packInt4 } from './weight.ts';

export interface WeightOnlyOptions extends MatrixOptions {
  /** Default 4. */
  bits?: BlockBits;
  /** Weights that share a scale: 16, 32, 64, 128 or 256. Default 32; 128 is smaller and faster, and less exact. */
  block?: number;
  /** Codes symmetric about 0, so that no zero points are stored. Default: what the method likes. */
  symmetric?: boolean;
  /** How codes are chosen. Default `nearest`. */
  method?: BlockedMethodName;
  /** Samples for the methods that look at what layers read; labels are not needed. */
  data?: Dataset;
  /** How many of them. Default 128. */
  samples?: number;
  /** 4: the engine may compute in int8, which is up to 40 times faster on a CPU; 0: in float32. Default 4. */
  accuracyLevel?: 0 | 1 | 4;
  /** Standard ONNX alone: blocks behind DequantizeLinear (opset 21) instead of MatMulNBits; 4 and 8 bits. Default false. */
  standard?: boolean;
  /** Embedding tables too, in 4 bits (GatherBlockQuantized). Default false. */
  embeddings?: boolean;
}

const SIZES = [16, 32, 64, 128, 256];

/**
 * Stores the matrix of every dense layer in few bits.
 *
 * Throws   quantize/block for a block size that the engine does not have; quantize/data when the method needs samples
 *          and there are none; option/unknown; work/aborted.
 */
export async function quantizeWeights(
  original: Model,
  options: WeightOnlyOptions,
  lab: Lab,
): Promise<{ model: Model; report: WeightReport }> {
  const { bits = 4, block = 32, method = 'nearest', accuracyLevel = 4 } = options;
  const by: BlockedMethod = pick<BlockedMethod>(blockedMethods, method, 'way to choose codes');
  const symmetric = options.symmetric ?? by.isSymmetric;
  if (!SIZES.includes(block)) {
    throw new PareError('quantize/block', `Blocks of ${block} weights cannot be stored.`, {
      expected: SIZES.join(', '),
      got: `${block}`,
    });
  }
  if (options.standard && bits === 2) {
    throw new PareError('quantize/bits', 'Standard ONNX of opset 21 has no integers of 2 bits.', {
      expected: '4 or 8',
      got: `${bits}`,
    });
  }
  const moments = by.needsMoments ? await momentsFor(original, method, options, lab) : undefined;
  const model = by.scalesInputs
    ? scaleForBlocks(prepareMatrices(original), moments!, { bits, size: block, symmetric }, options)
    : original;
  const done = replaceMatrixLayers(
    model,
    ({ input, output, weight, w, K, N, node }, pen) => {
      const shape: BlockShape = { K, N, bits, size: block };
      const rounded = by.run(w, shape, symmetric, moments?.get(input));
      const blocks = blockCount(shape);
      const B = tensor('uint8', [N, blocks, (block * bits) / 8], packCodes(rounded, shape));
      if (B.bytes.length + 4 * N * blocks >= 4 * K * N) return false;
      if (options.standard) {
        const w = blockedPair(rounded, shape, weight, pen);
        pen.add({ ...node, inputs: [input, w], outputs: [output] });
        return true;
      }
      const zeros = rounded.zeros && packZeros(rounded.zeros, shape);
      pen.add({
        op: 'MatMulNBits',
        domain: 'com.microsoft',
        name: node.name,
        inputs: [
          input,
          pen.constant(`${weight}_Q${bits}`, B),
          pen.constant(`${weight}_scales`, float32([N * blocks], rounded.scales)),
          ...(zeros ? [pen.constant(`${weight}_zero_points`, tensor('uint8', [zeros.length], zeros))] : []),
        ],
        outputs: [output],
        attrs: {
          K: { kind: 'int', value: K },
          N: { kind: 'int', value: N },
          bits: { kind: 'int', value: bits },
          block_size: { kind: 'int', value: block },
          ...(accuracyLevel > 0 && { accuracy_level: { kind: 'int', value: accuracyLevel } as const }),
        },
      });
      return true;
    },
    options,
  );
  const dense: Model = options.standard
    ? done.model
    : { ...done.model, opsets: { ...done.model.opsets, 'com.microsoft': 1 } };
  const tables = options.embeddings ? quantizeEmbeddings(dense, { ...options, block }) : { model: dense, replaced: [] };
  const written = tables.model;
  return {
    model: written,
    report: {
      before: { bytes: modelBytes(original), parameters: parametersOf(original) },
      after: { bytes: modelBytes(written), parameters: parametersOf(original) },
      scheme: `weights of ${bits} bits (${method}, blocks of ${block}${symmetric ? '' : ', zero points'})`,
      quantized: [...done.replaced, ...tables.replaced],
      kept: done.kept,
    },
  };
}

/**
 * A matrix [K, N] in blocks along K, in operators of the standard: DequantizeLinear with block_size. Returns the name of the floats.
 * Symmetric codes are stored as int4 or int8 about 0, others as uint4 or uint8 with zero points.
 */
function blockedPair({ codes, scales, zeros }: Blocks, shape: BlockShape, weight: string, pen: Pen): string {
  const { K, N, bits, size } = shape;
  const blocks = blockCount(shape);
  const middle = zeros ? 0 : 2 ** (bits - 1);
  const dtype = `${zeros ? 'uint' : 'int'}${bits as 4 | 8}` as const;
  /** Rows of one output each become rows of one input each. */
  const turned = (x: ArrayLike<number>, rows: number): Float32Array =>
    Float32Array.from({ length: rows * N }, (_, i) => x[(i % N) * rows + Math.floor(i / N)]!);
  const integers = (dims: readonly number[], x: Float32Array): Tensor => {
    const shifted = x.map((code) => code - middle);
    return bits === 4
      ? { ...packInt4(dims, Int8Array.from(shifted)), dtype: dtype as 'int4' }
      : tensor(dtype as 'int8', dims, dtype === 'int8' ? Int8Array.from(shifted) : Uint8Array.from(shifted));
  };
  const inputs = [
    pen.constant(`${weight}_Q${bits}`, integers([K, N], turned(codes, K))),
    pen.constant(`${weight}_scales`, float32([blocks, N], turned(scales, blocks))),
    ...(zeros ? [pen.constant(`${weight}_zero_points`, integers([blocks, N], turned(zeros, blocks)))] : []),
  ];
  const floats = pen.fresh(`${weight}_w`);
  const attrs = { axis: { kind: 'int', value: 0 }, block_size: { kind: 'int', value: size } } as const;
  pen.add({ op: 'DequantizeLinear', inputs, outputs: [floats], attrs });
  return floats;
}

/** Second moments of all that dense layers read, by name. */
async function momentsFor(
  model: Model,
  method: string,
  { data, samples = 128, ...options }: WeightOnlyOptions,
  lab: Lab,
): Promise<Map<string, Float64Array>> {
  if (!data) {
    throw new PareError('quantize/data', `${method} looks at what layers read and needs samples.`, {
      expected: 'data; labels are not needed',
      hint: 'give data, or take nearest or hqq',
    });
  }
  const prepared = prepareMatrices(model);
  const widths = new Map(matrixLayersOf(prepared, options).map(({ input, K }) => [input, K]));
  return await secondMoments(prepared, widths, data, chooseSamples(data, samples, lab.seed), lab);
}
