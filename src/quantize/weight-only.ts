/**
 * Weights of 2, 4 or 8 bits in blocks, activations in floats: for models whose speed is the speed of reading weights
 * (decoders, one row at a time). The engine's kernel is MatMulNBits.
 */

import { PareError } from '../base/error.ts';
import type { Model } from '../graph/model.ts';
import { float32, tensor } from '../graph/tensor.ts';
import { writeModel } from '../onnx/write.ts';
import {
  type BlockBits,
  type BlockShape,
  type Blocks,
  blockCount,
  packCodes,
  packZeros,
  roundToNearest,
} from './blocks.ts';
import type { WeightReport } from './dynamic.ts';
import { hqq } from './hqq.ts';
import { type MatrixOptions, replaceMatrixLayers } from './matrix-layers.ts';
import { parametersOf } from './quantize.ts';

export interface WeightOnlyOptions extends MatrixOptions {
  /** Default 4. */
  bits?: BlockBits;
  /** Weights that share a scale: 16, 32, 64, 128 or 256. Default 32; 128 is smaller and faster, and less exact. */
  block?: number;
  /** Codes symmetric about 0, so that no zero points are stored. Default true (`rtn`) or false (`hqq`). */
  symmetric?: boolean;
  /** How codes are chosen: to nearest, or half-quadratic (zero points fitted to the bulk of the weights). Default `rtn`. */
  method?: 'rtn' | 'hqq';
  /** 4: the engine may compute in int8, which is up to 40 times faster on a CPU; 0: in float32. Default 4. */
  accuracyLevel?: 0 | 1 | 4;
}

const SIZES = [16, 32, 64, 128, 256];

/**
 * Stores the matrix of every dense layer in few bits. Needs no samples.
 *
 * Throws   quantize/block for a block size that the engine does not have.
 */
export function quantizeWeights(model: Model, options: WeightOnlyOptions = {}): { model: Model; report: WeightReport } {
  const { bits = 4, block = 32, method = 'rtn', accuracyLevel = 4 } = options;
  const symmetric = options.symmetric ?? method === 'rtn';
  if (!SIZES.includes(block)) {
    throw new PareError('quantize/block', `Blocks of ${block} weights cannot be stored.`, {
      expected: SIZES.join(', '),
      got: `${block}`,
    });
  }
  const done = replaceMatrixLayers(
    model,
    ({ input, output, weight, w, K, N, node }, pen) => {
      const shape: BlockShape = { K, N, bits, size: block };
      const rounded: Blocks = method === 'hqq' ? hqq(w, shape) : roundToNearest(w, shape, symmetric);
      const blocks = blockCount(shape);
      const B = tensor('uint8', [N, blocks, (block * bits) / 8], packCodes(rounded, shape));
      if (B.bytes.length + 4 * N * blocks >= 4 * K * N) return false;
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
  const written: Model = { ...done.model, opsets: { ...done.model.opsets, 'com.microsoft': 1 } };
  return {
    model: written,
    report: {
      before: { bytes: writeModel(model).length, parameters: parametersOf(model) },
      after: { bytes: writeModel(written).length, parameters: parametersOf(model) },
      scheme: `weights of ${bits} bits (${method}, blocks of ${block}${symmetric ? '' : ', zero points'})`,
      quantized: done.replaced,
      kept: done.kept,
    },
  };
}
